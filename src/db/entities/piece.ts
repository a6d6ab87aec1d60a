import { defineEntity, p } from '@mikro-orm/core';
import type { FragmentIndex } from '../../domain/fragment-index.ts';
import { PIECE_KINDS } from '../../domain/video.ts';
import { Video } from './video.ts';
import { VideoRun } from './video-run.ts';

/** What a finished piece was measured to be; which of it is there depends on the kind. */
export interface PieceFacts {
  readonly frames?: number;
  readonly durationSeconds?: number;
  /** Of an indexed copy: where it begins on its own clock. */
  readonly startSeconds?: number;
  readonly bitrateBps?: number;
  readonly codecs?: string;
  readonly parameterSets?: string;
  readonly widthPx?: number;
  readonly heightPx?: number;
  readonly fragments?: FragmentIndex;
}

/**
 * The work ledger: one row per finished, verified piece. Whoever commits first wins; a row is never altered. A piece that was made
 * anew has a row of a later version beside the one of the version that is still published.
 */
const PieceSchema = defineEntity({
  name: 'Piece',
  tableName: 'pieces',
  properties: {
    id: p.integer().primary(),
    videoId: () => p.manyToOne(Video).mapToPk().fieldName('video_id').deleteRule('cascade'),
    sourceSha256: p.text(),
    name: p.text(),
    kind: p.enum(PIECE_KINDS),
    recipe: p.text(),
    /** Of the run that made it. */
    version: p.integer().default(0),
    objectKey: p.text().collation('C').index('pieces_object_key_index'),
    sizeBytes: p.bigint('number').check('size_bytes > 0'),
    sha256: p.text(),
    toolVersion: p.text(),
    facts: p.json().$type<PieceFacts>(),
    createdAt: p.datetime().defaultRaw('now()').$type<Date>(),
  },
  uniques: [
    {
      name: 'pieces_key_unique',
      properties: ['videoId', 'sourceSha256', 'name', 'recipe', 'version'],
    },
  ],
});

export class Piece extends PieceSchema.class {}
PieceSchema.setClass(Piece);

/** What a run knows of one of its steps: how often it was tried, so that giving up does not depend on Temporal's attempts; how far it is. */
const PieceAttemptSchema = defineEntity({
  name: 'PieceAttempt',
  tableName: 'piece_attempts',
  properties: {
    id: p.integer().primary(),
    videoRunId: () =>
      p.manyToOne(VideoRun).mapToPk().fieldName('video_run_id').deleteRule('cascade'),
    name: p.text(),
    /** Starts in a row that came to no end of their own: the worker died. */
    unendedStarts: p.integer().default(0),
    /** Ends for which the encoder itself was at fault. */
    encoderFaults: p.integer().default(0),
    /** Times in a row that something killed the encoder. */
    kills: p.integer().default(0),
    /** When the present wait for the platform began. */
    platformFaultSince: p.datetime().nullable().$type<Date>(),
    /** Share of the whole job, percent. */
    weight: p.double().$type<number>().default(0),
    /** 0 to 1, of the present attempt. */
    fraction: p.double().$type<number>().default(0),
  },
  uniques: [{ name: 'piece_attempts_key_unique', properties: ['videoRunId', 'name'] }],
});

export class PieceAttempt extends PieceAttemptSchema.class {}
PieceAttemptSchema.setClass(PieceAttempt);
