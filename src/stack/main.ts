import type { StackConfig } from '../config/env.ts';
import { API_LAUNCH, WORKER_LAUNCH } from '../host/node-launch.ts';
import { STOP_MS } from '../host/stop-times.ts';
import { runStack } from './run-stack.ts';
import type { StackScripts } from './stack.ts';

/** What `npm start` runs. */
await runStack(scripts);

function scripts(config: StackConfig): StackScripts {
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  const visit = { '0.0.0.0': '127.0.0.1', '[::]': '[::1]' }[host] ?? host;
  return {
    migrate: 'src/cli/migrate.ts',
    services: [
      {
        name: 'api',
        file: 'src/api/server.ts',
        node: API_LAUNCH,
        healthUrl: `http://${visit}:${config.port}/healthz`,
        stopGraceMs: STOP_MS.api,
      },
      {
        name: 'worker',
        file: 'src/workers/worker.ts',
        node: WORKER_LAUNCH,
        stopGraceMs: STOP_MS.worker + config.workerDrainSeconds * 1000,
      },
    ],
  };
}
