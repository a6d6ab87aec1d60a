import { runWorkers } from './run-workers.ts';

/** Probes and encodes: what is added to grow. */
await runWorkers(['intake', 'processing']);
