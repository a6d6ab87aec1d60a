import { z } from '@hono/zod-openapi';
import { AppError, type JsonValue } from '../../domain/errors.ts';
import { PRIORITIES, type Profile, PROFILES, VISIBILITIES } from '../../domain/video.ts';
import type { UploadDetails } from '../../usecases/submit-upload.ts';
import { idText, thumbnailTimestamps } from '../schemas/fields.ts';
import { videoFields } from '../schemas/video.ts';

/** `a, b` or `["a","b"]`; undefined for JSON that is no list. */
function readList(text: string): readonly JsonValue[] | undefined {
  if (!text.trim().startsWith('[')) {
    return text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
  }
  try {
    return JSON.parse(text) as JsonValue[];
  } catch {
    return undefined;
  }
}

const list = z.string().transform((text, context) => {
  const items = readList(text);
  if (items !== undefined) return items;
  context.addIssue('Is neither a comma list nor a JSON array');
  return z.NEVER;
});

/** Form fields are text, also those in a comma list. */
const numbers = list.transform((items) =>
  items.map((item) =>
    typeof item === 'string' && /^-?\d+(\.\d+)?$/.test(item) ? Number(item) : item,
  ),
);

const fieldsSchema = z.object({
  title: videoFields.title.optional(),
  description: videoFields.description.default(''),
  category: idText().optional(),
  tags: list.pipe(videoFields.tags).default([]),
  visibility: z.enum(VISIBILITIES).default('private'),
  profile: z.enum(PROFILES).optional(),
  thumbnailTimestamps: numbers.pipe(thumbnailTimestamps()).optional(),
  priority: z.enum(PRIORITIES).default('normal'),
});

/**
 * Reads the fields of an upload's form. Empty ones count as left out, unknown ones are ignored.
 * @throws `validation-failed` with every fault, `visibility-not-available`
 */
export function readUploadFields(
  fields: ReadonlyMap<string, string>,
  defaults: { readonly profile: Profile },
): UploadDetails {
  const given = Object.fromEntries(
    [...fields].filter(([name, value]) => Object.hasOwn(fieldsSchema.shape, name) && value !== ''),
  );
  const result = fieldsSchema.safeParse(given);
  if (!result.success) {
    const errors = result.error.issues.map(({ path, message }) => ({
      path: path.join('.'),
      message,
    }));
    throw new AppError('validation-failed', { errors });
  }
  const { title, description, category, tags, visibility, profile, priority, thumbnailTimestamps } =
    result.data;
  if (visibility !== 'private') throw new AppError('visibility-not-available');
  return {
    title,
    description,
    categoryId: category ?? null,
    tags,
    profile: profile ?? defaults.profile,
    priority,
    thumbnailTimestamps: thumbnailTimestamps ?? null,
  };
}
