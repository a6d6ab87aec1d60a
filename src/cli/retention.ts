import { once } from 'node:events';
import { ConfigError, loadConfig } from '../config/env.ts';
import type { DueVideo } from '../db/retention-preview.ts';
import { AppError } from '../domain/errors.ts';
import type { RetentionReport } from '../domain/retention.ts';
import type { RetentionPreview } from '../usecases/retention.ts';
import { CommandProblem } from './client/problem.ts';
import { runCommand } from './client/run-command.ts';

/**
 * `npm run retention [-- --dry-run]`: lists what goes because it is old, or was not to be kept, and removes it now instead of at the
 * Schedule's hour. Ends with 1 where that was not possible for all of it. Ctrl-C ends the waiting, not the work.
 */

/** Rows that are fetched in one go. */
const PAGE = 500;

await runCommand(main, ConfigError, AppError);

async function main(args: readonly string[], signal: AbortSignal): Promise<void> {
  const { isDryRun } = readArguments(args);
  // Only now: it brings in everything, and a typing error should be told at once.
  const { composeRetention } = await import('../composition.ts');
  const retention = await composeRetention(loadConfig());
  try {
    const found = await printAll(retention.look);
    if (isDryRun) return print(found === 0 ? 'Nothing would go.' : 'Nothing was removed.');
    const run = await retention.start();
    print(`Removing: \`npm run temporal -- workflow show --workflow-id ${run.workflowId}\``);
    const stopped = once(signal, 'abort').then(() => Promise.reject(new Error('stopped')));
    report(await Promise.race([run.result(), stopped]));
  } finally {
    await retention.close();
  }
}

function readArguments(args: readonly string[]): { isDryRun: boolean } {
  if (args.some((argument) => argument !== '--dry-run'))
    throw new CommandProblem('Usage: npm run retention [-- --dry-run]');
  return { isDryRun: args.length > 0 };
}

/** @returns how many videos lose something */
async function printAll(
  look: (page: { afterId: number; limit: number }) => Promise<RetentionPreview>,
): Promise<number> {
  let count = 0;
  for (let afterId: number | null = 0; afterId !== null;) {
    const preview: RetentionPreview = await look({ afterId, limit: PAGE });
    for (const video of preview.data) for (const line of describe(video)) print(line);
    count += preview.data.length;
    afterId = preview.nextId;
    if (afterId === null)
      for (const { action, videos, bytes } of preview.totals)
        print(`${action}: ${videos} video(s), ${megabytes(bytes)}`);
  }
  return count;
}

function describe({ videoId, title, uploadedAt, actions }: DueVideo): readonly string[] {
  return actions.map(({ action, reason, bytes }) =>
    [
      `video ${videoId}`.padEnd(14),
      action.padEnd(16),
      reason.padEnd(25),
      megabytes(bytes).padStart(12),
      ` uploaded ${uploadedAt.toISOString().slice(0, 10)}`,
      ` ${title}`,
    ].join(''),
  );
}

function report(done: RetentionReport): void {
  print(
    `${done.videosDeleted} video(s) deleted, ${done.originalsReplaced} original(s) replaced, ${done.leftoversRemoved} leftover(s) removed.`,
  );
  if (done.originalsFailed === 0) return;
  throw new CommandProblem(
    `${done.originalsFailed} original(s) stay: their processed version is missing or damaged, or the storage does not answer. The worker's log names them.`,
  );
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
