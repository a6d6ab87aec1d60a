import { CommandProblem } from './problem.ts';

/**
 * Runs a command until its end, or until Ctrl-C.
 *
 * Its process ends with 1 and one sentence where the command is wrong or the error is one of `problems`, and with 130 after a
 * signal; other errors are faults of the program and go on.
 */
export async function runCommand(
  main: (args: readonly string[], signal: AbortSignal) => Promise<void>,
  ...problems: readonly (abstract new (...args: never[]) => Error)[]
): Promise<void> {
  const stopped = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.abort());
  try {
    await main(process.argv.slice(2), stopped.signal);
  } catch (error) {
    if (stopped.signal.aborted) {
      process.stdout.write('\nStopped.\n');
      process.exitCode = 130;
    } else if (isProblem(error, [CommandProblem, ...problems])) {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 1;
    } else {
      throw error;
    }
  }
}

function isProblem(
  error: unknown,
  kinds: readonly (abstract new (...args: never[]) => Error)[],
): error is Error {
  return kinds.some((kind) => error instanceof kind);
}
