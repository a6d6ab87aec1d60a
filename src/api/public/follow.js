import { ask, Problem } from './api.js';
import { isUnfinished } from './words.js';

/** @typedef {import('./words.js').Video} Video */

const SHORTEST_MS = 1_000;
const LONGEST_MS = 10_000;
const HIDDEN_MS = 15_000;
/** A run that was asked for shows up within this. */
const RUN_APPEARS_MS = 60_000;
/** A video that does not move for so long is left alone until the list is refreshed. */
const PATIENCE_MS = 30 * 60_000;

/**
 * Watches videos until they are finished: each is asked for again and again, every second while something moves, slower
 * while nothing does, when the page is hidden or the server cannot be reached.
 * @param {{ onChange: (video: Video) => void, onGone: (id: number) => void, onProblem: (problem: Problem) => void }} handlers
 */
export function createFollower({ onChange, onGone, onProblem }) {
  /** @type {Map<number, { seen: string, since: number, knownRun?: string, expectedUntil: number }>} */
  const followed = new Map();
  let delayMs = SHORTEST_MS;
  let timer = 0;
  let isLooking = false;

  async function lookAtAll() {
    if (isLooking) return;
    isLooking = true;
    let moved = false;
    try {
      for (const id of followed.keys()) moved = (await look(id)) || moved;
    } finally {
      isLooking = false;
    }
    delayMs = moved ? SHORTEST_MS : Math.min(LONGEST_MS, delayMs * 1.2);
    schedule();
  }

  /** @param {number} id @returns {Promise<boolean>} whether it has moved */
  async function look(id) {
    try {
      const video = await ask('GET', `/videos/${id}`);
      const entry = followed.get(id);
      return entry !== undefined && take(video, entry);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.status === 404) {
        followed.delete(id);
        onGone(id);
      } else {
        onProblem(problem);
      }
      return false;
    }
  }

  /** @param {Video} video @param {{ seen: string, since: number, knownRun?: string, expectedUntil: number }} entry */
  function take(video, entry) {
    const seen = signature(video);
    const moved = seen !== entry.seen;
    if (moved) Object.assign(entry, { seen, since: Date.now() });
    const awaitsRun =
      Date.now() < entry.expectedUntil && video.lastRun?.startedAt === entry.knownRun;
    const isStuck = Date.now() - entry.since > PATIENCE_MS;
    if (isStuck || (!isUnfinished(video) && !awaitsRun)) followed.delete(video.id);
    onChange(video);
    return moved;
  }

  function schedule() {
    clearTimeout(timer);
    if (followed.size === 0) return;
    timer = setTimeout(lookAtAll, document.hidden ? HIDDEN_MS : delayMs);
  }

  document.addEventListener('visibilitychange', () => {
    delayMs = SHORTEST_MS;
    schedule();
  });

  return {
    /**
     * Does nothing for a video that is finished.
     * @param {Video} video
     * @param {{ newRunExpected?: boolean }} [options] a run was asked for and has not begun yet
     */
    follow(video, { newRunExpected = false } = {}) {
      if (!newRunExpected && !isUnfinished(video)) return;
      followed.set(video.id, {
        seen: signature(video),
        since: Date.now(),
        knownRun: video.lastRun?.startedAt,
        expectedUntil: newRunExpected ? Date.now() + RUN_APPEARS_MS : 0,
      });
      delayMs = SHORTEST_MS;
      schedule();
    },
    /** @param {number} id */
    forget: (id) => void followed.delete(id),
    stop() {
      followed.clear();
      clearTimeout(timer);
    },
  };
}

/** What counts as a move; the guess of the time that is left does not. @param {Video} video */
function signature({ status, stage, progressPercent, version, lastRun }) {
  return JSON.stringify([
    status,
    stage,
    progressPercent,
    version,
    lastRun?.startedAt,
    lastRun?.state,
  ]);
}
