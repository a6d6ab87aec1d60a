import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';

import { findTool } from './launchers.ts';
import { FFPROBE_LIMITS, ffmpegLimits } from './process-limits.ts';
import { ProcessFailure } from './process-failure.ts';
import { runProcess } from './run-process.ts';
import { findSystemMounts } from './system-mounts.ts';
import { createToolLauncher, type ToolLauncher, unconfinedLauncher } from './tool-launcher.ts';

/** `auto`: the best that works here. `require`: bubblewrap, or no work is done. `off`: none. */
export type SandboxMode = 'auto' | 'require' | 'off';

export interface OpenSandboxOptions {
  readonly mode: SandboxMode;
  /** Absolute. */
  readonly ffmpegPath: string;
  readonly ffprobePath: string;
  /** Gives an empty private folder to try in. */
  readonly withScratch: <T>(work: (folder: string) => Promise<T>) => Promise<T>;
}

export interface OpenSandbox {
  readonly launcher: ToolLauncher;
  /** Why it is not the whole one; undefined where it is, or where none is wanted. */
  readonly shortcoming?: string;
}

/** The sandbox that was demanded does not work here. The message is one sentence for the operator. */
export class SandboxProblem extends Error {
  override readonly name = 'SandboxProblem';
}

/** Far more than it takes, or a busy host would be taken for one where it does not work. */
const TRIAL_MS = 30_000;

/**
 * Finds out which sandbox works on this host by trying it with the tools themselves: they must run in it, and must fail to reach
 * a file outside and a listening port.
 * @throws SandboxProblem where the mode is `require` and bubblewrap does not hold
 */
export async function openSandbox(options: OpenSandboxOptions): Promise<OpenSandbox> {
  if (options.mode === 'off') return { launcher: await unconfinedLauncher() };
  const whole = await tryBubblewrap(options);
  if (typeof whole !== 'string') return { launcher: whole };
  if (options.mode === 'require') {
    throw new SandboxProblem(
      `SANDBOX=require, but ${whole}; install bubblewrap and allow user namespaces, or set SANDBOX=auto.`,
    );
  }
  const partial = await tryWithoutNetwork(options);
  const launcher = typeof partial === 'string' ? await unconfinedLauncher() : partial;
  return { launcher, shortcoming: typeof partial === 'string' ? `${whole}; ${partial}` : whole };
}

/** @returns why it does not work */
async function tryBubblewrap(options: OpenSandboxOptions): Promise<ToolLauncher | string> {
  const command = await findTool('bwrap');
  if (command === undefined) return 'bubblewrap is not installed';
  const system = await findSystemMounts([options.ffmpegPath, options.ffprobePath]);
  const launcher = await createToolLauncher({ kind: 'bubblewrap', command, system });
  const fault = await findFault(launcher, options);
  return fault === undefined ? launcher : `bubblewrap does not work here (${fault})`;
}

/** @returns why it does not work */
async function tryWithoutNetwork(options: OpenSandboxOptions): Promise<ToolLauncher | string> {
  const command = await findTool('unshare');
  if (command === undefined) return 'unshare is not installed';
  const launcher = await createToolLauncher({ kind: 'no-network', command });
  const fault = await findFault(launcher, options);
  return fault === undefined ? launcher : `unshare does not work here (${fault})`;
}

/** @returns what the sandbox prevents or lets through against its purpose */
function findFault(
  launcher: ToolLauncher,
  { ffmpegPath, ffprobePath, withScratch }: OpenSandboxOptions,
): Promise<string | undefined> {
  return withScratch(async (folder) => {
    const inside = path.join(folder, 'inside');
    const own = path.join(inside, 'own');
    const foreign = path.join(folder, 'foreign');
    await mkdir(inside);
    await Promise.all([own, foreign].map((file) => writeFile(file, 'any bytes')));
    const access = { reads: [own], writes: [inside] };
    const version = { command: ffmpegPath, args: ['-version'] };
    const read = (input: string) => ({
      command: ffprobePath,
      args: ['-v', 'error', '-f', 'data', '-i', input],
    });
    const attempt = async (tool: { command: string; args: readonly string[] }) => {
      const limits = tool === version ? ffmpegLimits() : FFPROBE_LIMITS;
      return complaintOf(tool, launcher.launch(access, limits));
    };

    const complaint = (await attempt(version)) ?? (await attempt(read(own)));
    if (complaint !== undefined) return complaint;
    if (launcher.sandbox === 'bubblewrap' && (await attempt(read(foreign))) === undefined)
      return 'a file outside was read';
    const connections = await countConnections((url) => attempt(read(url)));
    return connections > 0 ? 'a port outside was reached' : undefined;
  });
}

/** @returns undefined where the tool ran to its end */
async function complaintOf(
  tool: { readonly command: string; readonly args: readonly string[] },
  { prefix, env }: ReturnType<ToolLauncher['launch']>,
): Promise<string | undefined> {
  try {
    await runProcess({ ...tool, launchPrefix: prefix, env, deadline: { budgetMs: TRIAL_MS } });
    return undefined;
  } catch (error) {
    if (!(error instanceof ProcessFailure)) throw error;
    return error.stderr.trim().split('\n')[0] || error.message;
  }
}

/** How often a port of ours is reached while `attempt` runs. */
async function countConnections(attempt: (url: string) => Promise<unknown>): Promise<number> {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.end();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  try {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port was given');
    await attempt(`tcp://127.0.0.1:${address.port}`);
    return connections;
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}
