import { countRuns } from '../db/run-views.ts';
import type { ActivityDeps } from './deps.ts';

/** Logs how many runs are at work and how many wait, when one has begun or ended. Never fails what it follows. */
export async function logQueueStatus(deps: ActivityDeps): Promise<void> {
  const counts = await deps.database.run(countRuns).catch(() => undefined);
  if (counts !== undefined) deps.logger.info(counts, 'queue');
}
