import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DecodeCheck } from '../../src/domain/run-settings.ts';
import type { FfmpegCommand } from '../../src/media/ffmpeg-command.ts';
import { makeClip, makeTempFolder, runTool } from '../support/make-clip.ts';
import { type Pipeline, startPipeline } from '../support/pipeline.ts';

/** What becomes of a run when something that it made is not as it should be. */
describe('verification before publishing', () => {
  let temp: Awaited<ReturnType<typeof makeTempFolder>>;
  let pipeline: Pipeline;
  let clip: string;
  /** Every command that was run; the hook may change one before it is. */
  const commands: FfmpegCommand[] = [];
  let beforeRun: (command: FfmpegCommand) => Promise<FfmpegCommand>;
  let afterRun: (command: FfmpegCommand) => Promise<void>;
  let decodeCheck: DecodeCheck = 'smallest';

  beforeAll(async () => {
    temp = await makeTempFolder();
    clip = await makeClip(path.join(temp.path, 'clip.mp4'), { framesPerSecond: 10, seconds: 8 });
    pipeline = await startPipeline({
      replace: ({ ffmpeg, settings }) => ({
        settings: {
          ...settings,
          get decodeCheck() {
            return decodeCheck;
          },
        },
        ffmpeg: {
          version: ffmpeg.version,
          async run(command, options) {
            const changed = await beforeRun(command);
            commands.push(changed);
            const run = await ffmpeg.run(changed, options);
            await afterRun(changed);
            return run;
          },
        },
      }),
    });
  });
  afterAll(async () => {
    await pipeline.close();
    await temp.remove();
  });

  const submit = (
    hooks: { beforeRun?: typeof beforeRun; afterRun?: typeof afterRun } = {},
    file = clip,
  ) => {
    commands.length = 0;
    beforeRun = hooks.beforeRun ?? (async (command) => command);
    afterRun = hooks.afterRun ?? (async () => undefined);
    return pipeline.submit(file);
  };
  const isEncode = (command: FfmpegCommand) => command.filterGraph?.includes('trim=') === true;
  const isFirstChunk = ({ filterGraph = '' }: FfmpegCommand) =>
    filterGraph.includes('start_pts=0:');
  const isDecode = ({ outputs }: FfmpegCommand) => outputs[0]?.options.at(-1) === 'null';
  const streamFile = (id: number, quality: string) =>
    path.join(pipeline.folder, `media/videos/streams/${id}/v1/${quality}.mp4`);

  it.each([
    ['smallest', ['240p.mp4']],
    ['all', ['240p.mp4', '360p.mp4']],
  ] as const)(
    'decodes %s, and finds the same key frames and lengths everywhere',
    async (which, files) => {
      decodeCheck = which;
      const id = await submit();
      await pipeline.waitForStatus(id, 'completed');
      decodeCheck = 'smallest';
      const decoded = commands.filter(isDecode).map(({ inputs }) => inputs[0]?.path ?? '');
      expect(new Set(decoded.map((file) => path.basename(file)))).toEqual(new Set(files));
      expect(decoded).toHaveLength(files.length);
      const facts = await Promise.all(
        ['360p', '240p'].map((quality) => look(streamFile(id, quality))),
      );
      expect(facts[0]).toEqual({ keyFrames: [0, 2, 4, 6], video: 8, audio: 8 });
      expect(facts[1]).toEqual(facts[0]);
    },
  );

  it('fills sound that ends early with silence, and cuts what goes on after the picture', async () => {
    for (const [name, seconds] of [
      ['early', 1],
      ['late', 9],
    ] as const) {
      const file = path.join(temp.path, `${name}.mp4`);
      await runTool('ffmpeg', [
        ...['-i', clip, '-f', 'lavfi', '-i', `sine=d=${seconds}`, '-map', '0:v', '-map', '1:a'],
        ...['-t', '9', '-c:v', 'copy', file],
      ]);
      const id = await submit({}, file);
      await pipeline.waitForStatus(id, 'completed');
      expect(await look(streamFile(id, '240p'))).toMatchObject({ video: 8, audio: 8 });
    }
  });

  it('makes pieces again that another encoder has made', async () => {
    let isFirst = true;
    const id = await submit({
      async beforeRun(command) {
        if (!isEncode(command)) return command;
        if (!isFirstChunk(command)) {
          await pipeline.until('the odd chunk is finished', async () => {
            return (await findFirstChunk()) !== undefined;
          });
          return command;
        }
        if (!isFirst) return command;
        isFirst = false;
        // As an older ffmpeg might: other headers, for the rest the same.
        const outputs = command.outputs.map(({ options, path: file }) => ({
          options: [...options.slice(0, -2), '-refs', '4', ...options.slice(-2)],
          path: file,
        }));
        return { ...command, outputs };
      },
    });
    await pipeline.client.workflow.getHandle(`process-video-${id}`).result();
    const encodes = commands.filter(isEncode);
    expect(encodes).toHaveLength(3);
    expect(encodes.filter(isFirstChunk)).toHaveLength(2);
    // All renditions of the odd chunk at once.
    expect(encodes.at(-1)?.outputs).toHaveLength(2);
    expect(await framesOf(streamFile(id, '240p'))).toBe(80);
  });

  it('makes a piece again whose bytes have changed since it was checked', async () => {
    let damaged = 0;
    const id = await submit({
      async afterRun(command) {
        if (!isEncode(command) || isFirstChunk(command) || damaged > 0) return;
        damaged += 1;
        await pipeline.until('the other chunk is finished', damageOnePiece);
      },
    });
    await pipeline.waitForStatus(id, 'completed');
    expect(damaged).toBe(1);
    expect(commands.filter(isEncode)).toHaveLength(3);
    expect(commands.filter(isEncode).at(-1)?.outputs).toHaveLength(1);
  });

  it('does not publish a rendition that cannot be decoded', async () => {
    const id = await submit({
      async afterRun({ outputs }) {
        // The 240p encoder writes rubbish, in packets that look right.
        const [output] = outputs.filter(({ path: file }) => file.endsWith('/240p.mp4'));
        if (output !== undefined) await damage(output.path);
      },
    });
    const video = await pipeline.waitForStatus(id, 'failed');
    expect(video['failure']).toMatchObject({ code: 'output-check-failed', attempt: 3 });
    const [run] = await pipeline.db.sql('select failure from video_runs where video_id = $1', [id]);
    expect(JSON.stringify(run)).toContain('"check":"decode"');
    expect(await pipeline.keys(`streams/${id}/`)).not.toContain(`videos/streams/${id}/v1/240p.mp4`);
  });

  /** @returns whether there is a piece to damage: those of published videos are gone */
  async function damageOnePiece(): Promise<boolean> {
    const row = await findFirstChunk();
    if (row === undefined) return false;
    await damage(path.join(pipeline.folder, 'media', String(row['object_key'])));
    return true;
  }

  /** Its smallest rendition, which is entered last. */
  async function findFirstChunk() {
    const rows = await pipeline.db.sql(
      `select object_key from pieces where name = 'chunk/0/240p' and video_id = (select max(id) from videos)`,
    );
    return rows[0];
  }
});

/** Another file with the same length in the place of one: the middle of every tenth frame is other bytes. */
async function damage(file: string): Promise<void> {
  const show = ['-select_streams', 'v', '-show_entries', 'packet=pos,size', '-of', 'json'];
  const { packets } = JSON.parse(await runTool('ffprobe', [...show, file])) as {
    packets: readonly { pos: string; size: string }[];
  };
  const bytes = await readFile(file);
  for (const { pos, size } of packets.filter((_packet, index) => index % 10 === 5)) {
    const start = Number(pos) + Math.floor(Number(size) / 4);
    for (let at = start; at < start + Number(size) / 2; at += 1)
      bytes[at] = (bytes[at] ?? 0) ^ 0x5a;
  }
  await rm(file);
  await writeFile(file, bytes);
}

interface Look {
  /** Seconds. */
  readonly keyFrames: readonly number[];
  readonly video: number;
  readonly audio: number;
}

async function look(file: string): Promise<Look> {
  const entries = 'stream=codec_type,duration:packet=stream_index,codec_type,pts_time,flags';
  const found = JSON.parse(
    await runTool('ffprobe', ['-show_entries', entries, '-of', 'json', file]),
  ) as {
    streams: readonly { codec_type: 'video' | 'audio'; duration: string }[];
    packets: readonly { codec_type: string; pts_time: string; flags: string }[];
  };
  const lengths = Object.fromEntries(
    found.streams.map(({ codec_type, duration }) => [codec_type, Number(duration)]),
  );
  const keyFrames = found.packets
    .filter(({ codec_type, flags }) => codec_type === 'video' && flags.includes('K'))
    .map(({ pts_time }) => Number(pts_time));
  return { keyFrames, video: lengths['video'] ?? 0, audio: lengths['audio'] ?? 0 };
}

async function framesOf(file: string): Promise<number> {
  const count = ['-count_frames', '-select_streams', 'v', '-show_entries', 'stream=nb_read_frames'];
  return Number(await runTool('ffprobe', [...count, '-of', 'csv=p=0', file]));
}
