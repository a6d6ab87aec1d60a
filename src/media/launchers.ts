import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import path from 'node:path';

const TOOL_FOLDERS = ['/usr/bin', '/bin', '/usr/local/bin', '/usr/sbin', '/sbin'];

/** Each one only execs what follows, so the pid stays the tool's own. */
const LAUNCHERS: readonly (readonly string[])[] = [
  // A worker that is killed takes its tools with it. Tied to the thread that spawned: spawn on the main thread.
  ['setpriv', '--pdeathsig', 'KILL', '--'],
  // One that was killed before the tie held has no tools any more: whoever has another parent by now does not begin.
  ['sh', '-c', 'test "$PPID" -eq "$0" && exec "$@"', String(process.pid)],
  // Short of memory, the kernel shall take the encoder and not the database.
  ['choom', '-n', '1000', '--'],
  // The API stays quick on two cores.
  ['nice', '-n', '10'],
];

let detected: Promise<readonly string[]> | undefined;

/** What to put before every tool's command on this host: those launchers that are there and work. Looked up once per process. */
export function detectLaunchers(): Promise<readonly string[]> {
  detected ??= tryLaunchers();
  return detected;
}

async function tryLaunchers(): Promise<readonly string[]> {
  const prefix: string[] = [];
  for (const [name, ...options] of LAUNCHERS) {
    const tool = name === undefined ? undefined : await findTool(name);
    if (tool === undefined) continue;
    if (await worksAsLauncher([tool, ...options])) prefix.push(tool, ...options);
  }
  return prefix;
}

/** Absolute path of a program of the system. */
export async function findTool(name: string): Promise<string | undefined> {
  for (const folder of TOOL_FOLDERS) {
    const file = path.join(folder, name);
    const isThere = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return file;
  }
  return undefined;
}

function worksAsLauncher([command = '', ...options]: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(command, [...options, 'true'], {
      stdio: 'ignore',
      timeout: 5000,
      killSignal: 'SIGKILL',
    });
    child.once('error', () => resolve(false));
    child.once('close', (code) => resolve(code === 0));
  });
}
