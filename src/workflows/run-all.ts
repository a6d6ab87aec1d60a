import { CancellationScope } from '@temporalio/workflow';

/**
 * Runs tasks with at most `limit` outstanding. When one fails, the others are cancelled and awaited before its error goes on,
 * so that whoever undoes the work finds nothing running.
 */
export async function runAll(
  tasks: readonly (() => Promise<unknown>)[],
  limit: number,
): Promise<void> {
  const waiting = [...tasks];
  const failures: unknown[] = [];
  const scope = new CancellationScope();
  const lane = async (): Promise<void> => {
    for (
      let task = waiting.shift();
      task !== undefined && failures.length === 0;
      task = waiting.shift()
    ) {
      try {
        await task();
      } catch (error) {
        failures.push(error);
        scope.cancel();
      }
    }
  };
  await scope.run(() => Promise.all(Array.from({ length: limit }, lane)));
  if (failures.length > 0) throw failures[0];
}
