import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  type Config,
  ConfigError,
  loadConfig,
  loadStackConfig,
  readEnvironment,
} from '../config/env.ts';
import { openTemporalClient } from '../temporal/client.ts';
import { createRunDescriptions } from '../temporal/run-descriptions.ts';
import type { VideoView } from '../usecases/present-video.ts';
import { makeClip } from './demo/make-clip.ts';
import { createMeter } from './client/meter.ts';
import { CommandProblem } from './client/problem.ts';
import { runCommand } from './client/run-command.ts';
import type { Server } from './client/server.ts';
import { openLocalServer } from './client/local-server.ts';
import { watchVideo } from './client/watch-video.ts';

/**
 * `npm run demo [-- FILE]`: uploads a small clip, or FILE, to the running stack, waits until it can be watched, and says where.
 * Ends with 1 when that did not work, and with 130 after Ctrl-C.
 */

/** Beyond the time that one step may take. */
const SPARE_PATIENCE_MS = 60_000;

await runCommand(main, ConfigError);

async function main(args: readonly string[], signal: AbortSignal): Promise<void> {
  const file = readArguments(args);
  const adminApiKey = readEnvironment()['ADMIN_API_KEY']?.trim();
  const server = await openLocalServer({ ...loadStackConfig(), adminApiKey }, signal);
  const config = loadConfig();
  const video =
    file === undefined ? await uploadMadeClip(server, config, signal) : await upload(server, file);
  const ended = await waitForEnd(server, video, { config, signal });
  await report(ended, { server, config });
  if (ended.status === 'completed') return;
  if (ended.status === 'cancelled') throw new CommandProblem(`Video ${ended.id} was cancelled.`);
  throw new CommandProblem(
    `Video ${ended.id} failed: ${ended.failure?.detail || ended.failure?.title}`,
  );
}

/** From the folder in which `npm run` was called: npm itself changes to the root. */
function readArguments(args: readonly string[]): string | undefined {
  const [file, ...rest] = args;
  if (rest.length > 0 || file?.startsWith('-'))
    throw new CommandProblem('Usage: npm run demo [-- FILE]');
  if (file === undefined) return undefined;
  const path = resolve(process.env['INIT_CWD'] ?? '.', file);
  if (!statSync(path, { throwIfNoEntry: false })?.isFile())
    throw new CommandProblem(`${path} is not a file.`);
  return path;
}

async function uploadMadeClip(
  server: Server,
  config: Config,
  signal: AbortSignal,
): Promise<VideoView> {
  print('Making a clip of 10 s with ffmpeg …');
  const clip = await makeClip(config.ffmpegPath, signal);
  try {
    return await upload(server, clip.path);
  } finally {
    await clip.remove();
  }
}

async function upload(server: Server, file: string): Promise<VideoView> {
  const meter = createMeter('Uploading', process.stdout);
  try {
    return await server.upload(file, (sent, total) =>
      meter.show(sent / total, `of ${sizeText(total)}`),
    );
  } finally {
    meter.end();
  }
}

async function waitForEnd(
  server: Server,
  { id }: VideoView,
  { config, signal }: { config: Config; signal: AbortSignal },
): Promise<VideoView> {
  const meter = createMeter('Processing', process.stdout);
  try {
    return await watchVideo(server, id, {
      patienceMs: config.videoProcessingTimeoutSeconds * 1000 + SPARE_PATIENCE_MS,
      signal,
      onLook: (video) => meter.show(video.progressPercent / 100, video.stage ?? video.status),
    });
  } catch (error) {
    if (signal.aborted) print(`\nVideo ${id} goes on without this command.`);
    throw error;
  } finally {
    meter.end();
  }
}

/** Where everything is. The link comes last: it is what one clicks. */
async function report(
  video: VideoView,
  { server, config }: { server: Server; config: Config },
): Promise<void> {
  for (const { quality, widthPx, heightPx, url } of video.streams) {
    print(
      `  ${quality.padEnd(6)} ${`${widthPx}x${heightPx}`.padEnd(10)} ${config.publicUrl}${url}`,
    );
  }
  print(`  Run in Temporal   ${await describeRun(video.workflowId, config)}`);
  if (video.status !== 'completed') return;
  const link = await server.createLoginLink(`/?video=${video.id}`);
  print(`  Watch it here     ${link}`);
  print('                    (logs you in, once, within ten minutes)');
}

async function describeRun(workflowId: string, config: Config): Promise<string> {
  const client = openTemporalClient({
    address: config.temporalAddress,
    namespace: config.temporalNamespace,
  });
  try {
    const run = await createRunDescriptions(client).latestRun(workflowId);
    if (run === undefined) return `${workflowId} (Temporal does not know it)`;
    if (config.temporalUiUrl === undefined) return `${workflowId}, run ${run.runId}`;
    const namespace = encodeURIComponent(config.temporalNamespace);
    return `${config.temporalUiUrl}/namespaces/${namespace}/workflows/${workflowId}/${run.runId}/history`;
  } catch (error) {
    return `${workflowId} (Temporal does not answer: ${(error as Error).message})`;
  } finally {
    await client.connection.close();
  }
}

function sizeText(sizeBytes: number): string {
  return sizeBytes < 1e6
    ? `${Math.ceil(sizeBytes / 1e3)} kB`
    : `${(sizeBytes / 1e6).toFixed(1)} MB`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
