import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { readProcessCpu, subtractCpu } from './process-cpu.ts';

export interface Cost {
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
}

export interface ToolRun extends Cost {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one program to its end. What it and its children used shows in this process's accounting of its children. */
export async function runTool(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string } = {},
): Promise<ToolRun> {
  const before = readProcessCpu(process.pid);
  const startedAt = performance.now();
  const child = spawn(command, args, { cwd: options.cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    }),
  ]);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}\nended with ${code}:\n${stderr}`);
  const wallSeconds = (performance.now() - startedAt) / 1000;
  const used = subtractCpu(readProcessCpu(process.pid), before);
  return { cpuSeconds: used.children, wallSeconds, stdout, stderr };
}

/** ffmpeg without its chatter. */
export function runFfmpeg(args: readonly string[], level = 'error'): Promise<ToolRun> {
  return runTool(process.env['FFMPEG_PATH'] ?? 'ffmpeg', [
    '-hide_banner',
    '-nostdin',
    '-nostats',
    '-v',
    level,
    '-y',
    ...args,
  ]);
}

/** One command after the other. */
export async function runAll(commands: readonly (readonly string[])[]): Promise<Cost> {
  let cpuSeconds = 0;
  let wallSeconds = 0;
  for (const args of commands) {
    const run = await runFfmpeg(args);
    cpuSeconds += run.cpuSeconds;
    wallSeconds += run.wallSeconds;
  }
  return { cpuSeconds, wallSeconds };
}
