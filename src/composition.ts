import path from 'node:path';
import type { Client } from '@temporalio/client';
import type { ActivityDeps } from './activities/deps.ts';
import { type Config, PROJECT_ROOT } from './config/env.ts';
import { createDatabase } from './db/database.ts';
import { openOrm } from './db/orm.ts';
import { createFfmpeg } from './media/ffmpeg.ts';
import { createScratchRoot } from './media/scratch.ts';
import { createLogger, type Logger } from './observability/logger.ts';
import { createLocalStore } from './storage/local-store.ts';
import { openTemporalClient } from './temporal/client.ts';
import { createRunDescriptions } from './temporal/run-descriptions.ts';
import { createVideoWorkflows } from './temporal/video-workflows.ts';

/** From settings to real adapters. Only the mains come here. */

/** What a worker process works with. */
export interface WorkerParts {
  readonly config: Config;
  readonly logger: Logger;
  readonly client: Client;
  readonly activityDeps: ActivityDeps;
  /** Absolute; for what can be made again. */
  readonly cacheDir: string;
  close(): Promise<void>;
}

export async function composeWorker(config: Config): Promise<WorkerParts> {
  const logger = createLogger({ level: config.logLevel, format: config.logFormat, name: 'worker' });
  const database = createDatabase(await openOrm({ databaseUrl: config.databaseUrl }));
  const client = openTemporalClient({ address: config.temporalAddress, namespace: config.temporalNamespace });
  const scratch = await createScratchRoot(config.workDir);
  const activityDeps: ActivityDeps = {
    database,
    store: await createLocalStore({ root: config.mediaRoot }),
    workflows: createVideoWorkflows(client),
    runDescriptions: createRunDescriptions(client),
    ffmpeg: await createFfmpeg({ ffmpegPath: config.ffmpegPath, logger }),
    ffprobePath: config.ffprobePath,
    scratch,
    logger,
    settings: {
      crf: config.videoCrf,
      preset: config.videoPreset,
      timeoutSeconds: config.videoProcessingTimeoutSeconds,
      maxDurationSeconds: config.maxVideoDurationSeconds,
      platformFaultPatienceSeconds: config.platformFaultPatienceSeconds,
      oldVersionGraceSeconds: config.oldVersionGraceSeconds,
    },
  };
  return {
    config,
    logger,
    client,
    activityDeps,
    cacheDir: path.join(PROJECT_ROOT, '.cache'),
    async close() {
      await scratch.remove();
      await client.connection.close();
      await database.close();
    },
  };
}
