import type { ErrorDetails } from '../domain/errors.ts';
import type { ChildEnd } from './supervise-child.ts';

const TAIL_CHARACTERS = 2048;

/** A tool that did not end with status 0, with all that a person or the classifier needs to say why. */
export class ProcessFailure extends Error {
  readonly argv: readonly string[];
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly timedOut: boolean;
  readonly stalled: boolean;
  readonly cancelled: boolean;
  /** It wrote more to stdout than was allowed. */
  readonly outputExceeded: boolean;
  /** The tool could not be started at all. */
  readonly notStarted: boolean;
  readonly durationMs: number;
  readonly stderr: string;

  constructor(argv: readonly string[], end: ChildEnd, cause?: unknown) {
    super(`${argv[0] ?? 'process'} ${describeEnd(end)}`, {
      cause: cause ?? end.spawnError ?? undefined,
    });
    this.name = 'ProcessFailure';
    this.argv = argv;
    this.exitCode = end.exitCode;
    this.signal = end.signal;
    this.timedOut = end.killedFor === 'timeout';
    this.stalled = end.killedFor === 'stall';
    this.cancelled = end.killedFor === 'cancel';
    this.outputExceeded = end.killedFor === 'output';
    this.notStarted = end.spawnError !== null;
    this.durationMs = end.durationMs;
    this.stderr = end.stderr;
  }

  get stderrTail(): string {
    return this.stderr.slice(-TAIL_CHARACTERS);
  }

  /** Plain JSON for a failure's details. */
  toDetails(): ErrorDetails {
    return {
      command: this.argv,
      exitCode: this.exitCode,
      signal: this.signal,
      timedOut: this.timedOut,
      stalled: this.stalled,
      cancelled: this.cancelled,
      durationMs: this.durationMs,
      stderrTail: this.stderrTail,
    };
  }
}

function describeEnd(end: ChildEnd): string {
  if (end.spawnError !== null) return `could not be started: ${end.spawnError.message}`;
  const lastLine = end.stderr.trim().split('\n').at(-1) ?? '';
  const why = end.killedFor === null ? '' : ` (${end.killedFor})`;
  const how = end.signal === null ? `exited with ${end.exitCode}` : `was ended by ${end.signal}`;
  return `${how}${why} after ${end.durationMs} ms${lastLine === '' ? '' : `: ${lastLine}`}`;
}

/** Thrown or returned where an abort signal ended the work: its reason where that is a real error, never a bare AbortError. */
export function cancellationOf(signal: AbortSignal | undefined, failure: ProcessFailure): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error && reason.name !== 'AbortError' ? reason : failure;
}
