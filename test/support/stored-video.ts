import { createHash, randomBytes } from 'node:crypto';
import { insertVideo } from '../../src/db/videos.ts';
import type { UserId, VideoId } from '../../src/domain/ids.ts';
import { originalKey } from '../../src/domain/object-keys.ts';
import type { ObjectStore, StoredObject } from '../../src/storage/object-store.ts';
import type { TestDatabase } from './database.ts';
import { PLAIN_UPLOAD } from './plain-upload.ts';

/** A published video whose objects are random bytes: for tests of where bytes lie, and not of what they show. */
export interface StoredVideo {
  readonly id: VideoId;
  /** What every object of it is, by key. */
  readonly objects: ReadonlyMap<string, StoredObject>;
  /** A rendition, and its second name. */
  readonly streamKey: string;
  readonly compressedKey: string;
  readonly originalKey: string;
}

export async function storeVideo(
  db: TestDatabase,
  store: ObjectStore,
  { ownerId, sizeBytes = 100_000 }: { readonly ownerId: UserId; readonly sizeBytes?: number },
): Promise<StoredVideo> {
  const objects = new Map<string, StoredObject>();
  const put = async (key: string, bytes: Buffer): Promise<StoredObject> => {
    const stored = await store.put(key, chunk(bytes));
    objects.set(key, stored);
    return stored;
  };
  const storedName = `test-${randomBytes(6).toString('hex')}.mov`;
  const original = await put(originalKey(storedName), randomBytes(sizeBytes));
  const id = await db.database.run((em) =>
    insertVideo(em, {
      ownerId,
      title: 'stored',
      ...PLAIN_UPLOAD,
      storedName,
      originalFileName: 'stored.mov',
      originalContentType: 'video/quicktime',
      originalSizeBytes: original.sizeBytes,
      originalSha256: original.sha256,
    }),
  );
  if (id === undefined) throw new Error('the video was not inserted');

  const streamKey = `videos/streams/${id}/v1/360p.mp4`;
  const compressedKey = `videos/compressed/${id}/v1.mp4`;
  const stream = await put(streamKey, randomBytes(sizeBytes));
  await store.link(streamKey, compressedKey);
  objects.set(compressedKey, stream);
  for (const [output, key] of [
    ['360p', streamKey],
    ['compressed', compressedKey],
  ])
    await db.sql(
      `insert into video_streams (video_id, version, output, object_key, size_bytes, sha256, width_px, height_px, bitrate_bps, duration_seconds, codecs)
       values ($1, 1, $2, $3, $4, $5, 640, 360, 800000, 1, 'avc1.64001f')`,
      [id, output, key, stream.sizeBytes, stream.sha256],
    );
  for (let position = 0; position < 3; position += 1) {
    const key = `videos/thumbnails/${id}/v1/${position}.jpg`;
    const picture = await put(key, randomBytes(2000));
    await db.sql(
      `insert into thumbnails (video_id, version, position, timestamp_seconds, object_key, size_bytes, sha256, is_default)
       values ($1, 1, $2, $3, $4, $5, $6, $7)`,
      [id, position, position, key, picture.sizeBytes, picture.sha256, position === 1],
    );
  }
  const uploadKey = `videos/posters/${id}/${randomBytes(6).toString('hex')}.png`;
  await put(uploadKey, randomBytes(3000));
  await db.sql(
    `insert into picture_wishes (video_id, kind, at_seconds, upload_key, failure)
     values ($1, 'own-poster', 0, $2, '{"code": "poster-unreadable", "detail": ""}')`,
    [id, uploadKey],
  );
  await db.sql(
    `update videos set status = 'completed', version = 1, last_version = 1, completed_at = now() where id = $1`,
    [id],
  );
  return { id, objects, streamKey, compressedKey, originalKey: originalKey(storedName) };
}

async function* chunk(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

export async function checksum(source: AsyncIterable<Uint8Array>): Promise<StoredObject> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const bytes of source) {
    hash.update(bytes);
    sizeBytes += bytes.length;
  }
  return { sizeBytes, sha256: hash.digest('hex') };
}
