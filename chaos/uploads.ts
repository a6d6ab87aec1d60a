import { createHash } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { type ClipOptions, makeClip } from '../test/support/make-clip.ts';
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
const CLIPS: Readonly<Record<string, ClipOptions>> = {
  'tiny.mp4': { widthPx: 320, heightPx: 180, seconds: 2 },
  'silent.mp4': { seconds: 3, audio: false },
  'stream.ts': { widthPx: 426, heightPx: 240, seconds: 4 },
  'large.mp4': { widthPx: 1280, heightPx: 720, seconds: 6 },
  'long.mp4': { widthPx: 426, heightPx: 240, seconds: 100 },
};

/** Made when it is first asked for. */
type LazyClip = () => Promise<Clip>;

/** The clips to choose from, all of them or these. */
export function clipsIn(folder: string, names = Object.keys(CLIPS)): readonly LazyClip[] {
  return names.map((name) => {
    let made: Promise<Clip> | undefined;
    return () => (made ??= makeHashedClip(path.join(folder, name), CLIPS[name]));
  });
}

async function makeHashedClip(file: string, options?: ClipOptions): Promise<Clip> {
  await makeClip(file, options);
  const sha256 = createHash('sha256').update(await readFile(file));
  return { file, sha256: sha256.digest('hex') };
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
  /** False while there is still to be something to hit. */
  readonly isEnough?: () => boolean;
}

/**
 * Uploads clips, as users would, until `total` were acknowledged, then one whenever nothing is open until that is enough, or
 * until `signal` says so.
 */
export async function keepUploading(
  world: World,
  clips: readonly LazyClip[],
  { total, dice, signal, label = 'chaos', isEnough = () => true }: UploadOptions,
): Promise<readonly Upload[]> {
  const uploads: Upload[] = [];
  const missing = () => total - uploads.filter(({ videoId }) => videoId !== undefined).length;
  while (!signal.aborted && (missing() > 0 || !isEnough())) {
    if ((await countOpen(world)) >= (missing() > 0 ? MOST_OPEN : 1)) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      continue;
    }
    const clip = dice.pick(clips);
    if (clip === undefined) break;
    const title = `${label} ${uploads.length}`;
    const { file, sha256 } = await clip();
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
