/**
 * Whose fault a failure can be, and what each kind does to a run. Which code is of which kind stands in `errors.ts`.
 */
interface FaultEntry {
  /** Who has to act. */
  readonly meaning: string;
  /** How often work is tried that ends with it: `once`; `counted` by piece, up to the limits below; `waited` out. */
  readonly tries: 'once' | 'counted' | 'waited';
  /** A run that it ends leaves its finished, checked pieces for the next one. */
  readonly keepsPieces: boolean;
  /** What becomes of a run, in a sentence for people. */
  readonly run: string;
}

/** Faults of the encoder itself at one piece before the run fails. */
export const MOST_ENCODER_FAULTS = 3;
/** The first kill of a chunk's encoder is repeated as it was; the second hands over to one thread. Four of any piece end the run. */
export const KILLS_BEFORE_LOW_MEMORY = 2;
export const MOST_KILLS = 4;
/** Starts of one piece in a row without an end: something in it takes its worker down. */
export const MOST_UNENDED_STARTS = 10;

const KEPT = 'Pieces that are finished stay for the next try.';
const GONE = 'What the run has made goes; the original and a published version stay.';

export const FAULTS = {
  caller: {
    meaning: 'The request, or whoever sent it. Send another one.',
    tries: 'once',
    keepsPieces: true,
    run: 'A run ends at once. One that was started with an input that cannot be touches nothing.',
  },
  conflict: {
    meaning: 'The state of things does not allow it now. Look at the video, then decide.',
    tries: 'once',
    keepsPieces: true,
    run: 'A run that may not work on the video ends at once and touches nothing; one whose finished work is gone, or whose plan has changed, makes what is missing.',
  },
  source: {
    meaning: 'The uploaded file.',
    tries: 'once',
    keepsPieces: false,
    run: `The run fails at once and is not repeated. ${GONE}`,
  },
  encoder: {
    meaning: 'The encoder, or what it wrote.',
    tries: 'counted',
    keepsPieces: true,
    run: `A piece is tried up to ${MOST_ENCODER_FAULTS} times; one whose tool is killed up to ${MOST_KILLS} times, a chunk from the ${KILLS_BEFORE_LOW_MEMORY + 1}rd on with one thread; one that never comes to an end ${MOST_UNENDED_STARTS} times. Then the run fails. ${KEPT}`,
  },
  timeout: {
    meaning: 'The work took longer than its budget. A retry may be given more time.',
    tries: 'once',
    keepsPieces: true,
    run: `The run fails at once. ${KEPT}`,
  },
  platform: {
    meaning:
      'This server: disk, database, workflow server, memory, or a bug. An operator should look.',
    tries: 'waited',
    keepsPieces: true,
    run: `The run waits in plain sight (\`waitingFor\`) and goes on by itself; after \`PLATFORM_FAULT_PATIENCE_SECONDS\` it fails. Want of memory and a database that is away are waited out for ever. ${KEPT}`,
  },
  cancelled: {
    meaning: 'Somebody asked for it.',
    tries: 'once',
    keepsPieces: false,
    run: `The run ends as \`cancelled\`. ${GONE}`,
  },
} as const satisfies Record<string, FaultEntry>;

/** Only `platform` should wake an operator. */
export type Fault = keyof typeof FAULTS;
