import { z } from '@hono/zod-openapi';
import { ERRORS, type ErrorCode } from '../../domain/errors.ts';
import { LONGEST_TIMEOUT_SECONDS } from '../../domain/process-video-input.ts';
import {
  CONVERSIONS,
  PRIORITIES,
  PROFILES,
  QUALITIES,
  RUN_KINDS,
  RUN_STATES,
  SKIP_REASONS,
  STAGES,
  STEPS,
  VIDEO_STATES,
  VISIBILITIES,
} from '../../domain/video.ts';
import { id, line, text, thumbnailTimestamps, timestamp } from './fields.ts';

const failureSchema = z
  .object({
    code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]),
    title: z.string(),
    detail: z.string(),
    step: z.string(),
    attempt: z.int(),
    at: timestamp(),
  })
  .openapi('Failure');

const skippedSchema = z
  .array(z.object({ quality: z.enum(QUALITIES), reason: z.enum(SKIP_REASONS) }))
  .readonly();

const warningsSchema = z.array(z.object({ code: z.string(), detail: z.string() })).readonly();

/** What the newest run makes of the source. Estimates are good to a factor of two. */
const planSchema = z
  .object({
    conversion: z.enum(CONVERSIONS).openapi({
      description:
        '`none`: the original is MP4/H.264 already. `copy`: its streams are copied into an MP4. `encode`: the tallest rendition serves.',
    }),
    renditions: z
      .array(z.object({ quality: z.enum(QUALITIES), widthPx: z.int(), heightPx: z.int() }))
      .readonly(),
    skipped: skippedSchema,
    pieces: z.int().openapi({ description: 'Chunks that the picture is encoded in.' }),
    indexedCopy: z.boolean().openapi({
      description: 'The chunks are made from a copy of the picture in a container with an index.',
    }),
    estimatedCpuSeconds: z.int(),
    estimatedMemoryMb: z.int(),
    estimatedStoredBytes: z.int(),
    warnings: warningsSchema,
  })
  .openapi('Plan');
/** Why a picture that was asked for is not there. */
const pictureFailureSchema = z.object({
  code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]),
  detail: z.string(),
});

/** A video, everywhere the same. Null: not known yet, or not there. */
export const videoSchema = z
  .object({
    id: id(),
    title: z.string(),
    description: z.string(),
    ownerId: id(),
    categoryId: id().nullable(),
    tags: z.array(z.string()).readonly(),
    visibility: z.enum(VISIBILITIES),
    status: z.enum(VIDEO_STATES),
    stage: z.enum(STAGES).nullable(),
    progressPercent: z.number(),
    etaSeconds: z.int().nullable(),
    playable: z.boolean(),
    original: z.object({
      fileName: z.string(),
      sizeBytes: z.int(),
      sha256: z.string(),
      available: z.boolean(),
    }),
    durationSeconds: z.number().nullable(),
    widthPx: z.int().nullable(),
    heightPx: z.int().nullable(),
    frameRate: z.number().nullable(),
    streams: z
      .array(
        z.object({
          quality: z.enum(QUALITIES),
          widthPx: z.int(),
          heightPx: z.int(),
          bitrateBps: z.int(),
          sizeBytes: z.int(),
          codecs: z.string(),
          url: z.string(),
        }),
      )
      .readonly(),
    skipped: skippedSchema,
    plan: planSchema.nullable(),
    compressedUrl: z.string().nullable(),
    hlsUrl: z.string().nullable(),
    dashUrl: z.string().nullable(),
    thumbnails: z
      .array(z.object({ timestampSeconds: z.number(), url: z.string(), isDefault: z.boolean() }))
      .readonly(),
    thumbnailUrl: z.string().nullable(),
    wantedThumbnails: z
      .array(z.object({ timestampSeconds: z.number(), failure: pictureFailureSchema.nullable() }))
      .readonly(),
    poster: z
      .object({
        url: z.string().nullable(),
        pending: z.boolean(),
        failure: pictureFailureSchema.nullable(),
      })
      .nullable(),
    storyboardUrl: z.string().nullable(),
    failure: failureSchema.nullable(),
    warnings: warningsSchema,
    waitingFor: z.string().nullable(),
    lastRun: z
      .object({
        kind: z.enum(RUN_KINDS),
        state: z.enum(RUN_STATES),
        startedAt: timestamp(),
        failure: failureSchema.nullable(),
      })
      .nullable(),
    profile: z.enum(PROFILES),
    workflowId: z.string(),
    version: z.int().nullable(),
    createdAt: timestamp(),
    updatedAt: timestamp(),
    completedAt: timestamp().nullable(),
  })
  .openapi('Video');

/** Fields that people fill in, for the upload and for changes alike. */
export const videoFields = {
  title: line(300),
  description: text(5000),
  tags: z
    .array(line(50))
    .max(50)
    .transform((tags) => [...new Set(tags)]),
};

/** Body of `PATCH /videos/:id`. */
export const videoChangesSchema = z
  .strictObject({
    title: videoFields.title.optional(),
    description: videoFields.description.optional(),
    categoryId: id().nullable().optional(),
    tags: videoFields.tags.optional(),
    visibility: z.enum(VISIBILITIES).optional(),
  })
  .openapi('VideoChanges');

/** Body of `POST /videos/:id/reprocess` and `/retry`; what is left out stays as it was. */
export const runRequestSchema = z
  .strictObject({
    profile: z.enum(PROFILES).optional(),
    thumbnailTimestamps: thumbnailTimestamps().optional(),
    timeoutSeconds: z.int().min(1).max(LONGEST_TIMEOUT_SECONDS).optional(),
    skip: z.array(z.enum(QUALITIES)).min(1).optional().openapi({
      description:
        'Renditions to leave out; the video completes without them and `skipped` says `skipped-by-request`. One must be left.',
    }),
    from: z.enum(STEPS).optional().openapi({
      description:
        'Makes the work of this step and of those after it anew, although it is finished. After a failure the same wish goes on where it stopped.',
    }),
    renditions: z.array(z.enum(QUALITIES)).min(1).optional().openapi({
      description:
        'Makes these renditions anew and uses everything else that is finished. `from` may then be `compress` (the default) or `ladder`.',
    }),
  })
  .openapi('RunRequest');

/** Where a run can be found in the Temporal Web UI. */
export const runIdentitySchema = z
  .object({ workflowId: z.string(), runId: z.string() })
  .openapi('RunIdentity');

export const queueEntrySchema = z
  .object({
    videoId: id(),
    title: z.string(),
    ownerId: id(),
    kind: z.enum(RUN_KINDS),
    stage: z.enum(STAGES),
    progressPercent: z.number(),
    waitingFor: z.string().nullable(),
    workflowId: z.string(),
    runId: z.string(),
    startedAt: timestamp(),
  })
  .openapi('QueueEntry');

/** The upload's form as it is described; the upload route reads it itself, since a schema there would hold the file in memory. */
export const uploadFormSchema = z
  .object({
    video: z
      .string()
      .openapi({ format: 'binary', description: 'The first file part, whatever its name.' }),
    title: videoFields.title.optional(),
    description: videoFields.description.optional(),
    category: id().optional(),
    tags: z.string().optional().openapi({ description: 'Comma list or JSON array.' }),
    visibility: z.enum(VISIBILITIES).optional(),
    profile: z.enum(PROFILES).optional(),
    thumbnailTimestamps: z
      .string()
      .optional()
      .openapi({ description: 'Seconds; comma list or JSON array.' }),
    priority: z.enum(PRIORITIES).optional(),
  })
  .openapi('Upload');
