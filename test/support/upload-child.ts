import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { API_LAUNCH } from '../../src/host/node-launch.ts';
import type { UploadServerOptions } from './upload-server.ts';

/** The upload server as a process of its own, which a test may kill and measure. */
export interface UploadChild {
  readonly port: number;
  readonly process: ChildProcess;
  /** Resolves with the signal that ended it, or null. */
  readonly ended: Promise<NodeJS.Signals | null>;
  /** Largest resident size so far. */
  peakRssBytes(): number;
  rssBytes(): number;
  /** Descriptors of sockets, and of files below the server's folder. */
  countDescriptors(): { readonly files: number; readonly sockets: number };
  kill(): Promise<void>;
}

export async function spawnUploadChild(options: UploadServerOptions): Promise<UploadChild> {
  const program = fileURLToPath(new URL('upload-server.ts', import.meta.url));
  const { flags, env } = API_LAUNCH;
  const child = spawn(process.execPath, [...flags, program, JSON.stringify(options)], {
    env: { ...env, ...process.env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit').then(([, signal]) => signal as NodeJS.Signals | null);
  const [line] = (await Promise.race([
    once(createInterface(child.stdout), 'line'),
    ended.then(() => Promise.reject(new Error('the upload server did not start'))),
  ])) as [string];
  const readStatus = (field: string): number => {
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024;
  };
  return {
    port: Number(line),
    process: child,
    ended,
    peakRssBytes: () => readStatus('VmHWM'),
    rssBytes: () => readStatus('VmRSS'),
    countDescriptors: () => {
      const links = readDescriptors(child.pid);
      return {
        files: links.filter((link) => link.startsWith(options.folder)).length,
        sockets: links.filter((link) => link.startsWith('socket:')).length,
      };
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** What a process holds open: paths of files, and words for what has none. */
export function readDescriptors(pid: number | undefined): readonly string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((name) => {
    try {
      return [readlinkSync(`${folder}/${name}`)];
    } catch {
      return []; // closed meanwhile
    }
  });
}
