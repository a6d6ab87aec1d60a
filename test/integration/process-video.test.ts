import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makeClip } from '../support/make-clip.ts';
import { type Pipeline, startPipeline } from '../support/pipeline.ts';

describe('ProcessVideo', () => {
  let pipeline: Pipeline;
  let clips: string;

  beforeAll(async () => {
    clips = await mkdtemp(path.join(tmpdir(), 'steadyreel-clips-'));
    pipeline = await startPipeline();
  }, 60_000);

  afterAll(async () => {
    await pipeline.close();
    await rm(clips, { recursive: true, force: true });
  });

  it('turns an upload into one stream per rung, thumbnails and a published version', async () => {
    const clip = await makeClip(path.join(clips, 'plain.mp4'), { widthPx: 1280, heightPx: 720, seconds: 2 });
    const id = await pipeline.submit(clip);
    const video = await pipeline.waitForStatus(id, 'completed');
    expect(video).toMatchObject({ version: 1, width_px: 1280, height_px: 720, failure: null });
    const streams = await pipeline.db.sql('select output from video_streams where video_id = $1 order by output', [id]);
    expect(streams.map(({ output }) => output)).toEqual(['240p', '360p', '480p', '720p', 'compressed', 'processed']);
  }, 120_000);
});
