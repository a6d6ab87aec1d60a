/** Frames `firstFrame` (inclusive) to `endFrame` (exclusive) on the grid of the output. */
export interface Chunk {
  readonly index: number;
  readonly firstFrame: number;
  readonly endFrame: number;
}

export interface ChunkGridInput {
  /** Of the whole output. */
  readonly frames: number;
  readonly gopFrames: number;
  readonly framesPerSecond: number;
  /** CPU seconds for one frame in all renditions. */
  readonly frameCpuSeconds: number;
  /** Budget of one piece: tool time, seconds. */
  readonly timeoutSeconds: number;
  /** Pieces that this host works on at the same time. */
  readonly lanes: number;
  /** Of each piece. */
  readonly threads: number;
}

/** A lost piece costs at most this much video. Each start of a chunk costs about 4 % of a chunk this long. */
const LONGEST_SECONDS = 30;
/** A history of more pieces replays slowly; a longer grid is the lesser evil unless the budget forbids it. */
const MOST_CHUNKS = 360;
/** An estimate is good to a factor of two, and a host may be busy with something else. */
const SHARE_OF_BUDGET = 1 / 4;

/**
 * Divides a video into chunks of whole groups of pictures, all of nearly the same length.
 *
 * As many as lanes can work off without a ragged last round, none longer than 30 s or than a quarter of the time budget is
 * estimated to allow; from 360 chunks on they grow longer, unless the budget forbids it.
 */
export function planChunks(input: ChunkGridInput): readonly Chunk[] {
  const groups = Math.ceil(input.frames / input.gopFrames);
  const count = Math.min(groups, chooseCount(input));
  return Array.from({ length: count }, (_unused, index) => ({
    index,
    firstFrame: Math.floor((index * groups) / count) * input.gopFrames,
    endFrame: Math.min(input.frames, Math.floor(((index + 1) * groups) / count) * input.gopFrames),
  }));
}

/** The whole video as one chunk. */
export function wholeGrid(frames: number): readonly Chunk[] {
  return [{ index: 0, firstFrame: 0, endFrame: frames }];
}

function chooseCount(input: ChunkGridInput): number {
  const seconds = input.frames / input.framesPerSecond;
  const wallPerSecond = (input.frameCpuSeconds * input.framesPerSecond) / input.threads;
  const affordableSeconds = (input.timeoutSeconds * SHARE_OF_BUDGET) / wallPerSecond;
  const forBudget = Math.ceil(seconds / affordableSeconds);
  const forResume = Math.min(MOST_CHUNKS, Math.ceil(seconds / LONGEST_SECONDS));
  const wanted = Math.max(1, forBudget, forResume);
  return Math.ceil(wanted / input.lanes) * input.lanes;
}
