/**
 * Ways to break one guarantee of the product, each at a named point: how the judge is shown to see what it is there to see.
 *
 * The product has no switch for any of this. Its sources are changed while Node loads them (`break-sources.ts`); a text that is
 * not found any more ends the program, so that no breakage goes stale in silence.
 */
export interface Breakage {
  readonly what: string;
  readonly changes: readonly SourceChange[];
  /** The faults that make it visible; all others are left out. */
  readonly faults: readonly string[];
  /** Acknowledged uploads that are enough to see it. */
  readonly videos: number;
  /** The check that must find it. */
  readonly breach: string;
}

export interface SourceChange {
  /** From the root of the checkout. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export const BREAKAGES = {
  'start-lost': {
    what: 'the API dies after the row was committed, and reconcile starts nothing',
    changes: [
      {
        file: 'src/usecases/register-upload.ts',
        find: `deps.crashPoint?.('manifest-removed');`,
        replace: `if (videoId % 2 === 1) process.kill(process.pid, 'SIGKILL');`,
      },
      {
        file: 'src/activities/reconcile-starts.ts',
        find: 'await eachLimited(waiting, ',
        replace: 'await eachLimited(waiting.slice(0, 0), ',
      },
    ],
    faults: ['kill api'],
    videos: 1,
    breach: 'states',
  },
  'rename-skipped': {
    what: 'a file that was stored in full never gets its name',
    changes: [
      {
        file: 'src/storage/local-store.ts',
        find: 'await name(sink.path, path, {',
        replace: "if (!key.startsWith('videos/original/')) await name(sink.path, path, {",
      },
    ],
    faults: ['kill api'],
    videos: 1,
    breach: 'originals',
  },
  'kill-direct-child': {
    what: 'a stopped tool leaves its own children behind',
    changes: [
      {
        file: 'src/media/supervise-child.ts',
        find: `process.kill(-pid, 'SIGKILL')`,
        replace: `process.kill(pid, 'SIGKILL')`,
      },
    ],
    faults: ['cancel'],
    // One may be cancelled before it has a tool.
    videos: 2,
    breach: 'processes',
  },
  'fence-off': {
    what: 'an execution that is not the active one writes all the same',
    changes: [
      {
        file: 'src/db/runs.ts',
        find: 'if (active === undefined || !isSameRun(active.identity, identity))',
        replace: 'if (active === undefined)',
      },
    ],
    faults: ['reset late'],
    videos: 1,
    breach: 'runs',
  },
} as const satisfies Record<string, Breakage>;

export type BreakageName = keyof typeof BREAKAGES;
