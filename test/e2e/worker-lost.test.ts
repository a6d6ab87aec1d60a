import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { makeClip, makeTempFolder } from '../support/make-clip.ts';
import { type Pipeline, startPipeline } from '../support/pipeline.ts';

describe('rule 12: work that takes its worker down again and again', () => {
  let temp: Awaited<ReturnType<typeof makeTempFolder>>;
  let clip: string;
  let pipeline: Pipeline;

  beforeAll(async () => {
    temp = await makeTempFolder();
    clip = await makeClip(`${temp.path}/clip.mp4`, { seconds: 1 });
  }, 60_000);

  afterEach(() => pipeline?.close());
  afterAll(() => temp.remove());

  /** Every run finds its first chunk started this often already, by workers that were killed. */
  async function startWithUnendedStarts(count: number): Promise<void> {
    pipeline = await startPipeline();
    await pipeline.db.sql(
      `create function leave_marks() returns trigger language plpgsql as $$ begin
         insert into piece_attempts (video_run_id, name, unended_starts) values (new.id, 'chunk/0', ${count});
         return new; end $$`,
    );
    await pipeline.db.sql(
      'create trigger leave_marks after insert on video_runs for each row execute function leave_marks()',
    );
  }

  it('is given up at the eleventh start in a row without an end, and the original stays', async () => {
    await startWithUnendedStarts(10);
    const id = await pipeline.submit(clip);
    const { failure, stored_name: name } = await pipeline.waitForStatus(id, 'failed', 200);
    expect(failure).toMatchObject({ code: 'worker-lost', step: 'compressChunk', attempt: 1 });
    expect(await pipeline.db.sql(`select 1 from pieces where kind = 'chunk'`)).toEqual([]);
    expect(await pipeline.keys('original/')).toEqual([`videos/original/${String(name)}`]);
  }, 240_000);

  it('is still tried at the tenth', async () => {
    await startWithUnendedStarts(9);
    const id = await pipeline.submit(clip);
    expect(await pipeline.waitForStatus(id, 'completed', 200)).toMatchObject({ failure: null });
    expect(
      await pipeline.db.sql(`select unended_starts from piece_attempts where name = 'chunk/0'`),
    ).toEqual([{ unended_starts: 0 }]);
  }, 240_000);
});
