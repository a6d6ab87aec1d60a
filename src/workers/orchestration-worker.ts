import { runWorkers } from './run-workers.ts';

/** Workflows and short database activities: needs no ffmpeg time of its own. */
await runWorkers(['orchestration']);
