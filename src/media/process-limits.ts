import { availableParallelism } from 'node:os';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** Bounds that the kernel keeps for one run of a tool: a backstop for what flags, budgets and checks should have stopped. */
export interface ProcessLimits {
  /** Of all that it maps, threads' stacks and libraries included: far more than it uses. */
  readonly addressSpaceBytes: number;
  /** Of its own memory; undefined: no bound of its own. */
  readonly dataBytes?: number;
  /** Of any one file it writes; 0: it writes none. */
  readonly fileBytes: number;
}

/** Encoders map 1.5 GiB and more on two cores, and each further core brings threads with stacks and heaps of their own. */
const ADDRESS_SPACE_BYTES = 3 * GIB;
const ADDRESS_SPACE_PER_CORE_BYTES = GIB / 2;

/** A rendition of the longest video at the highest bitrate has a quarter of it. */
const LARGEST_FILE_BYTES = 64 * GIB;

/** For ffmpeg. @param fileBytes  what the command itself is held to, where it is */
export function ffmpegLimits(fileBytes: number = LARGEST_FILE_BYTES): ProcessLimits {
  return {
    addressSpaceBytes: ADDRESS_SPACE_BYTES + ADDRESS_SPACE_PER_CORE_BYTES * availableParallelism(),
    fileBytes,
  };
}

/**
 * For ffprobe, which needs 130 MiB for a picture of 8192x4320 and 60 more for the index of six hours. A file of 2 kB can claim an
 * index of gigabytes.
 */
export const FFPROBE_LIMITS: ProcessLimits = {
  addressSpaceBytes: GIB,
  dataBytes: 256 * MIB,
  fileBytes: 0,
};

const OPEN_FILES = 256;

/** What prlimit (util-linux) is told. Pure. No core is ever dumped: it would hold somebody's video. */
export function prlimitArgs(limits: ProcessLimits): readonly string[] {
  return [
    `--as=${limits.addressSpaceBytes}`,
    ...(limits.dataBytes === undefined ? [] : [`--data=${limits.dataBytes}`]),
    `--fsize=${limits.fileBytes}`,
    '--core=0',
    `--nofile=${OPEN_FILES}`,
    '--',
  ];
}
