import { runWorkers } from './run-workers.ts';

/** All three queues in one process: what a single machine runs. */
await runWorkers(['orchestration', 'intake', 'processing']);
