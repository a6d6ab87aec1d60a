import { defineEntity, p } from '@mikro-orm/core';
import type { EncodingPlan } from '../../domain/encoding-plan.ts';
import type { Failure } from '../../domain/failure.ts';
import type { MediaInfo } from '../../domain/media-info.ts';
import type { RunSettings } from '../../domain/run-settings.ts';
import type { RunSource } from '../../domain/run-source.ts';
import { RUN_KINDS, RUN_STATES, STAGES } from '../../domain/video.ts';
import { Video } from './video.ts';

/**
 * One run of a video. At most one is `active` per video, by a partial unique index; every write of a run is fenced by its
 * workflow id and run id.
 */
const VideoRunSchema = defineEntity({
  name: 'VideoRun',
  tableName: 'video_runs',
  properties: {
    id: p.integer().primary(),
    videoId: () => p.manyToOne(Video).mapToPk().fieldName('video_id').deleteRule('cascade'),
    workflowId: p.text(),
    runId: p.text(),
    kind: p.enum(RUN_KINDS),
    state: p.enum(RUN_STATES).default('active'),
    /** The version that this run publishes if it succeeds. */
    version: p.integer(),
    settings: p.json().$type<RunSettings>(),
    source: p.json().$type<RunSource>(),
    mediaInfo: p.json().$type<MediaInfo>().nullable(),
    plan: p.json().$type<EncodingPlan>().nullable(),
    stage: p.enum(STAGES).default('probe'),
    /** As shown: never goes back. */
    progressPercent: p.double().$type<number>().default(0),
    /** What is done right now: less than before when a step begins anew. */
    donePercent: p.double().$type<number>().default(0),
    /** What was done when the encode began, by earlier runs for the most part: nothing is learned from it. */
    startPercent: p.double().$type<number>().nullable(),
    /** For how long steps of this run have worked since then; waiting does not count. */
    workedSeconds: p.double().$type<number>().default(0),
    /** When a tool of this run last reported; a run that has a plan and no recent sign waits for a slot. */
    toolSeenAt: p.datetime().nullable().$type<Date>(),
    /** Disk that this run may fill from its beginning on; null until it has found room. Counts while the run is active. */
    reservedBytes: p.bigint('number').nullable(),
    /** Set while a fault of the platform is waited out: what is awaited, in one line. */
    waitingFor: p.text().nullable(),
    warnings: p.json().$type<readonly { code: string; detail: string }[]>().defaultRaw(`'[]'`),
    failure: p.json().$type<Failure>().nullable(),
    startedAt: p.datetime().defaultRaw('now()').$type<Date>(),
    endedAt: p.datetime().nullable().$type<Date>(),
  },
  uniques: [
    { name: 'video_runs_one_active', properties: ['videoId'], where: `state = 'active'` },
    { name: 'video_runs_identity_unique', properties: ['workflowId', 'runId'] },
  ],
  indexes: [{ name: 'video_runs_video_index', properties: ['videoId', 'id'] }],
});

export class VideoRun extends VideoRunSchema.class {}
VideoRunSchema.setClass(VideoRun);
