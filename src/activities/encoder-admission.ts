import type { EncodeThreads } from '../domain/encoding-memory.ts';
import { AppError } from '../domain/errors.ts';

/**
 * Which encoders run at the same time in this process, and with how many threads each.
 *
 * An encoder starts when what runs and its own estimate fit the budget; one that would never fit runs alone with one thread.
 * Whoever is turned away asks again, so nothing is queued here but the order of arrival: for a while smaller pieces may overtake,
 * then only those may start that leave the room which the first in the line needs. Asked are chunks and posters out of people's own
 * files; every other step of a tool stays under 70 MB.
 */
export interface EncoderAdmission {
  /**
   * Takes room for one encoder, at once or not at all. Whoever gets it releases it in every ending.
   * @throws `waiting-for-memory`, with what is needed and what is free
   */
  admit(request: EncoderRequest): EncoderRoom;
  /** Whether an encoder of this run has room here now: then the run is not waiting. */
  isWorkingFor(runId: number): boolean;
}

export interface EncoderRequest {
  /** Who waits: the pieces of one run have one place in the line. A poster, of no run, has the negative id of its wish. */
  readonly runId: number;
  /** Of each encoder while several share the cores. */
  readonly sharedThreads: number;
  /** Another piece of the run is still to be made, so that it may start at the same moment in another slot. */
  readonly hasSiblings: boolean;
  /** One thread: after the encoder was killed, most likely for want of memory. */
  readonly lowMemory?: boolean;
  /** With so many threads. */
  readonly estimateMb: (threads: EncodeThreads) => number;
}

export interface EncoderRoom {
  readonly threads: EncodeThreads;
  /** The estimate. */
  readonly memoryMb: number;
  /** Does nothing the second time. */
  release(): void;
}

export interface EncoderAdmissionOptions {
  /** MB for all encoders of this process together. */
  readonly budgetMb: number;
  readonly cores: number;
  /** Milliseconds of any steady clock. */
  readonly now?: () => number;
}

interface Waiter {
  readonly runId: number;
  readonly since: number;
  readonly askedAt: number;
  /** With one thread, MB. */
  readonly neededMb: number;
}

const ONE_THREAD: EncodeThreads = { encode: 1, decode: 1 };
/** When a piece that was turned away asks again. */
export const ASK_AGAIN_MS = 10_000;
/** The same, while another piece of its run is encoding here: it will hand on its room. */
export const ASK_SIBLING_AGAIN_MS = 3_000;
/** So long smaller pieces may overtake. Then what ends makes room for the first in the line alone. */
const OVERTAKEN_FOR_MS = 60_000;
/** Nothing is kept free for one that has missed its turn to ask three times: it was cancelled, or another worker has it. */
const RESERVED_FOR_MS = 3 * ASK_AGAIN_MS;
/** One that had to queue for a slot meanwhile keeps its place in the line. */
const REMEMBERED_FOR_MS = 600_000;

export function createEncoderAdmission(options: EncoderAdmissionOptions): EncoderAdmission {
  const { budgetMb, cores, now = () => performance.now() } = options;
  const rooms = new Set<{ readonly runId: number; readonly memoryMb: number }>();
  const waiters = new Map<number, Waiter>();

  const used = (): number => [...rooms].reduce((sum, { memoryMb }) => sum + memoryMb, 0);

  /** The one that has waited longest before this run, if its patience is used up. */
  const findFirstInLine = (runId: number): Waiter | undefined => {
    const own = waiters.get(runId)?.since ?? now();
    return [...waiters.values()]
      .filter(
        (waiter) =>
          waiter.runId !== runId &&
          waiter.since < own &&
          now() - waiter.since >= OVERTAKEN_FOR_MS &&
          now() - waiter.askedAt < RESERVED_FOR_MS,
      )
      .toSorted((a, b) => a.since - b.since)[0];
  };

  const chooseThreads = (request: EncoderRequest): EncodeThreads | undefined => {
    const reserved = findFirstInLine(request.runId)?.neededMb ?? 0;
    const fitting = listWishes(request).find(
      (threads) => used() + request.estimateMb(threads) + reserved <= budgetMb,
    );
    const isAlone = rooms.size === 0 && reserved === 0;
    return fitting ?? (isAlone ? ONE_THREAD : undefined);
  };

  /** All cores for a piece that nothing else will run beside, else its share; fewer where memory is short. */
  const listWishes = (request: EncoderRequest): readonly EncodeThreads[] => {
    const { sharedThreads, hasSiblings, lowMemory, estimateMb } = request;
    if (lowMemory === true) return [ONE_THREAD];
    const willShare = hasSiblings && 2 * estimateMb(sameThreads(sharedThreads)) <= budgetMb;
    const most = rooms.size === 0 && !willShare ? cores : sharedThreads;
    return spreadsOver(most);
  };

  const turnAway = ({ runId, estimateMb }: EncoderRequest): AppError => {
    const neededMb = estimateMb(ONE_THREAD);
    const free = Math.max(0, budgetMb - used());
    const since = waiters.get(runId)?.since ?? now();
    waiters.set(runId, { runId, since, askedAt: now(), neededMb });
    const others = neededMb <= free ? ', kept for a video that has waited longer' : '';
    return new AppError('waiting-for-memory', {
      detail: `the encoder needs ${neededMb} MB, free are ${free} of ${budgetMb} MB${others}`,
      neededMb,
      freeMb: free,
      budgetMb,
    });
  };

  return {
    admit(request) {
      for (const { runId, askedAt } of waiters.values()) {
        if (now() - askedAt > REMEMBERED_FOR_MS) waiters.delete(runId);
      }
      const threads = chooseThreads(request);
      if (threads === undefined) throw turnAway(request);
      waiters.delete(request.runId);
      const room = { runId: request.runId, memoryMb: request.estimateMb(threads) };
      rooms.add(room);
      return { threads, memoryMb: room.memoryMb, release: () => void rooms.delete(room) };
    },
    isWorkingFor: (runId) => [...rooms].some((room) => room.runId === runId),
  };
}

/** Ever smaller: half the threads, and so on. Before the last step the decoder keeps two, which cost less than an encoder's. */
function spreadsOver(cores: number): readonly EncodeThreads[] {
  if (cores <= 1) return [ONE_THREAD];
  const half = Math.floor(cores / 2);
  const smaller = half === 1 ? [{ encode: 1, decode: 2 }, ONE_THREAD] : spreadsOver(half);
  return [sameThreads(cores), ...smaller];
}

function sameThreads(count: number): EncodeThreads {
  return { encode: count, decode: count };
}
