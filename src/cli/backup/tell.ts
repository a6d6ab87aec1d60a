import { formatBytes } from '../../domain/disk-space.ts';
import { AppError } from '../../domain/errors.ts';
import type { LostObjects, SavedObjects } from '../../storage/save-objects.ts';
import { CommandProblem } from '../client/problem.ts';

/** Keys in one line. */
const MOST_NAMED = 5;

/** What a round came to. */
export function describeSaved({ keys, copiedObjects, copiedBytes }: SavedObjects): string {
  return `${keys.size} file(s), of which ${copiedObjects} (${formatBytes(copiedBytes)}) were copied now`;
}

/** What a backup cannot mend. */
export function describeFaults(unsound: LostObjects, missing: LostObjects): readonly string[] {
  return [
    ...describe(unsound, 'are of another size than the database says and were not copied'),
    ...describe(missing, 'that the database names are in no store'),
  ];
}

function describe({ keys, inCopy }: LostObjects, what: string): readonly string[] {
  if (keys.length === 0) return [];
  return [
    `${keys.length} file(s) ${what}; the backup has and keeps ${inCopy} of them: ${some(keys)}`,
  ];
}

/** What the world does, as a full disk, is nothing that the program does not expect. */
export function toProblem(error: unknown, folder: string): unknown {
  if (error instanceof AppError)
    return new CommandProblem(
      error.code === 'database-unavailable'
        ? `${error.message}. What was saved before is as it was.`
        : `Could not save to ${folder}: ${explain(error)}`,
    );
  return error instanceof Error && 'syscall' in error
    ? new CommandProblem(`Could not save to ${folder}: ${error.message}`)
    : error;
}

/** With the file, and what the system says. */
function explain({ message, details, cause }: AppError): string {
  const facts = Object.entries(details).map(
    ([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const reason = 'errno' in details && cause instanceof Error ? [cause.message] : [];
  return [message, ...facts, ...reason].join(', ');
}

function some(keys: readonly string[]): string {
  return [...keys.slice(0, MOST_NAMED), ...(keys.length > MOST_NAMED ? ['…'] : [])].join(', ');
}
