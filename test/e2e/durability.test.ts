import { createHash } from 'node:crypto';
import { mkdtempSync, openAsBlob, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { makeClip } from '../support/make-clip.ts';
import { findProcesses } from '../support/processes.ts';
import { type RunningStack, startStack } from '../support/stack.ts';

/** The product as a user runs it, while things are killed around it. */
describe('a running product', () => {
  let clips: string;
  let short: string;
  let long: string;
  let stack: RunningStack;

  beforeAll(async () => {
    clips = mkdtempSync(path.join(tmpdir(), 'steadyreel-clips-'));
    short = await makeClip(path.join(clips, 'short.mp4'), {
      widthPx: 640,
      heightPx: 360,
      seconds: 3,
    });
    long = await makeClip(path.join(clips, 'long.mp4'), {
      widthPx: 1280,
      heightPx: 720,
      seconds: 30,
    });
  }, 120_000);

  afterEach(() => stack.stop());
  afterAll(() => rmSync(clips, { recursive: true, force: true }));

  async function ask(route: string, init: RequestInit = {}) {
    const headers = { authorization: `Bearer ${stack.apiKey}` };
    const response = await fetch(`${stack.url}${route}`, { ...init, headers });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  async function upload(file: string): Promise<number> {
    const form = new FormData();
    form.set('video', await openAsBlob(file), path.basename(file));
    const { status, body } = await ask('/videos/upload/', { method: 'POST', body: form });
    expect(status).toBe(201);
    return Number(body['id']);
  }

  async function until(what: string, check: () => Promise<boolean>, seconds = 60): Promise<void> {
    const deadline = Date.now() + seconds * 1000;
    while (!(await check())) {
      if (Date.now() > deadline) throw new Error(`waited ${seconds} s in vain: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  const tools = (...words: string[]) => findProcesses(path.join(stack.dataDir, 'work'), ...words);
  const encoding = () => until('an encode runs', async () => (await tools('libx264')).length > 0);

  async function ended(id: number): Promise<Record<string, unknown>> {
    let video: Record<string, unknown> = {};
    await until(
      `video ${id} ends`,
      async () => {
        ({ body: video } = await ask(`/videos/${id}`));
        return ['completed', 'failed', 'cancelled'].includes(String(video['status']));
      },
      150,
    );
    return video;
  }

  function pidOf(part: string): number {
    return (
      JSON.parse(readFileSync(path.join(stack.dataDir, 'run', `${part}.pid`), 'utf8')) as {
        pid: number;
      }
    ).pid;
  }

  function filesBelow(folder: string): readonly string[] {
    return readdirSync(path.join(stack.dataDir, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name));
  }

  it('rule 26: a worker killed in the middle of an encode leaves no encoder, and the video completes once', async () => {
    stack = await startStack({ VIDEO_PRESET: 'medium' });
    const id = await upload(long);
    await encoding();
    process.kill(pidOf('worker'), 'SIGKILL');
    await until('its encoders are gone', async () => (await tools()).length === 0, 5);
    const video = await ended(id);
    expect(video).toMatchObject({ status: 'completed', version: 1, failure: null });
    const stored = (kind: string) =>
      filesBelow('media/videos').filter((file) => file.includes(`/${kind}/`));
    expect(stored('streams')).toHaveLength(4);
    await until(
      'the pieces are gone',
      () => Promise.resolve(stored('videos/work').length === 0),
      10,
    );
    expect(filesBelow('work')).toEqual([]);
    expect(filesBelow('process')).toEqual([]);
  }, 240_000);

  it('the cap holds: six uploads at once, never a third heavy process, all complete', async () => {
    stack = await startStack({ MAX_VIDEO_PROCESSING_TASKS: '2' });
    let most = 0;
    let isSampling = true;
    const sampler = (async () => {
      while (isSampling) {
        most = Math.max(most, (await tools('-filter_complex')).length);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const ids = await Promise.all(Array.from({ length: 6 }, () => upload(short)));
    const videos = await Promise.all(ids.map((id) => ended(id)));
    isSampling = false;
    await sampler;
    expect(videos.map(({ status }) => status)).toEqual(
      Array.from({ length: 6 }, () => 'completed'),
    );
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(2);
  }, 240_000);

  it('rule 16: VIDEO_PROCESSING_TIMEOUT ends the work and keeps the original byte by byte', async () => {
    stack = await startStack({ VIDEO_PROCESSING_TIMEOUT: '1', VIDEO_PRESET: 'slow' });
    const id = await upload(long);
    const video = await ended(id);
    expect(video).toMatchObject({ status: 'failed', failure: { code: 'processing-timeout' } });
    expect(await tools()).toEqual([]);
    const originals = filesBelow('media/videos/original');
    const hash = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
    expect(originals.map(hash)).toEqual([hash(long)]);
  }, 120_000);

  it('a supervisor that is killed takes nothing with it: the next start goes on where it was', async () => {
    stack = await startStack({ VIDEO_PRESET: 'medium' });
    const id = await upload(long);
    await encoding();
    const lock = JSON.parse(readFileSync(path.join(stack.dataDir, 'stack.lock'), 'utf8')) as {
      pid: number;
    };
    for (const pid of [lock.pid, pidOf('api'), pidOf('worker')]) process.kill(pid, 'SIGKILL');
    await until('its encoders are gone', async () => (await tools()).length === 0, 5);
    await stack.restart();
    expect(await ended(id)).toMatchObject({ status: 'completed', version: 1 });
    expect(filesBelow('work')).toEqual([]);
  }, 240_000);
});
