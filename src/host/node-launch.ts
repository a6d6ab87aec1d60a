/** How Node is started for a main of ours: what cannot be set from inside, where the heap has grown already (ADR 0011). */
export interface NodeLaunch {
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * A young generation of 1 MB instead of 16 or more: what is short-lived goes sooner, and with buffers the memory outside of the heap
 * that hangs on them. A bound on the old one makes V8 collect before it grows; neither process comes near it.
 */
const heap = (oldSpaceMb: number): readonly string[] => [
  '--max-semi-space-size=1',
  `--max-old-space-size=${oldSpaceMb}`,
];

/**
 * For glibc, which else gives each thread arenas of its own, and after the first large buffer that is freed takes the next ones from
 * them, full of holes. Elsewhere they mean nothing.
 */
const env = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '1048576' };

export const API_LAUNCH: NodeLaunch = { flags: heap(160), env };
export const WORKER_LAUNCH: NodeLaunch = { flags: heap(256), env };
