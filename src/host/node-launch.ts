/** How Node is started for a main of ours: what cannot be set from inside, where the heap has grown already (ADR 0011). */
export interface NodeLaunch {
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * A young generation of 1 MB instead of 16 or more: what is short-lived goes sooner, and with buffers the memory outside of the heap
 * that hangs on them.
 */
const YOUNG = '--max-semi-space-size=1';

/**
 * For glibc, which else gives each thread arenas of its own, and after the first large buffer that is freed takes the next ones from
 * them, full of holes. Elsewhere they mean nothing.
 */
const env = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '1048576' };

/** Without a bound on the old generation: it would halve what many viewers get at once. Containers have one, for their memory. */
export const API_LAUNCH: NodeLaunch = { flags: [YOUNG], env };
/** The bound, which the worker does not come near, makes V8 collect before it grows. */
export const WORKER_LAUNCH: NodeLaunch = { flags: [YOUNG, '--max-old-space-size=256'], env };
