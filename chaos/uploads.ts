import { createHash } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { makeClip } from '../test/support/make-clip.ts';
import type { Dice } from './dice.ts';
import type { World } from './world.ts';

/** One try to upload a clip. */
export interface Upload {
  /** Its title, which no other has. */
  readonly title: string;
  readonly sha256: string;
  /** Undefined where the 201 never came: the video may be there once, or not at all. */
  readonly videoId: number | undefined;
}

interface Clip {
  readonly file: string;
  readonly sha256: string;
}

/** Short ones, a container without an index, and one of several chunks. */
export async function makeClips(folder: string): Promise<readonly Clip[]> {
  const files = await Promise.all([
    makeClip(path.join(folder, 'tiny.mp4'), { widthPx: 320, heightPx: 180, seconds: 2 }),
    makeClip(path.join(folder, 'silent.mp4'), { seconds: 3, audio: false }),
    makeClip(path.join(folder, 'stream.ts'), { widthPx: 426, heightPx: 240, seconds: 4 }),
    makeClip(path.join(folder, 'large.mp4'), { widthPx: 1280, heightPx: 720, seconds: 6 }),
    makeClip(path.join(folder, 'long.mp4'), { widthPx: 426, heightPx: 240, seconds: 100 }),
  ]);
  return Promise.all(
    files.map(async (file) => ({
      file,
      sha256: createHash('sha256')
        .update(await readFile(file))
        .digest('hex'),
    })),
  );
}

/** Videos that wait or work at one time: enough that every fault meets some, few enough that the end comes soon. */
const MOST_OPEN = 5;
const LOOK_EVERY_MS = 300;

export interface UploadOptions {
  readonly total: number;
  readonly dice: Dice;
  readonly signal: AbortSignal;
  /** Of the titles. */
  readonly label?: string;
}

/** Uploads clips, as users would, until `total` were acknowledged or `signal` says that it is enough. */
export async function keepUploading(
  world: World,
  clips: readonly Clip[],
  { total, dice, signal, label = 'chaos' }: UploadOptions,
): Promise<readonly Upload[]> {
  const uploads: Upload[] = [];
  const acknowledged = () => uploads.filter(({ videoId }) => videoId !== undefined).length;
  while (acknowledged() < total && !signal.aborted) {
    if ((await countOpen(world)) >= MOST_OPEN) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      continue;
    }
    const clip = dice.pick(clips);
    if (clip === undefined) break;
    const title = `${label} ${uploads.length}`;
    const { file, sha256 } = clip;
    uploads.push({ title, sha256, videoId: await upload(world, file, title) });
  }
  return uploads;
}

async function upload(world: World, file: string, title: string): Promise<number | undefined> {
  const form = new FormData();
  form.set('title', title);
  form.set('video', await openAsBlob(file), path.basename(file));
  try {
    const response = await world.ask('/videos/upload/', { method: 'POST', body: form });
    const body = (await response.json()) as { id?: number };
    return response.status === 201 ? body.id : undefined;
  } catch {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    return undefined;
  }
}

/** While nobody can tell, uploads go on. */
async function countOpen(world: World): Promise<number> {
  const rows = await world
    .sql<{ open: number }>(
      `select count(*)::int as open from videos where status in ('pending', 'processing')`,
    )
    .catch(() => []);
  return rows[0]?.open ?? 0;
}
