import { execFile } from 'node:child_process';
import { lstat, readlink, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

import type { SystemMounts } from './sandbox.ts';

/** Programs and libraries; not all of /usr, below which a checkout with its data may lie. */
const FOLDERS = [
  ...['/usr/bin', '/usr/sbin', '/usr/lib', '/usr/lib32', '/usr/lib64', '/usr/libexec'],
  ...['/usr/local/bin', '/usr/local/lib', '/usr/local/lib64'],
];
/** Links into /usr where the two are merged, folders where they are not. */
const ROOT_FOLDERS = ['/bin', '/sbin', '/lib', '/lib32', '/lib64'];
/** Where libraries are: Debian chooses some of them by links in the first. */
const LIBRARY_LISTS = ['/etc/alternatives', '/etc/ld.so.cache'];

const LDD_TIMEOUT_MS = 5000;

/** What a tool needs to be there. @param programs  absolute; those outside the system's folders are shown one by one */
export async function findSystemMounts(programs: readonly string[]): Promise<SystemMounts> {
  const folders: string[] = [];
  const links: { path: string; target: string }[] = [];
  for (const folder of [...FOLDERS, ...ROOT_FOLDERS, ...LIBRARY_LISTS]) {
    const facts = await lstat(folder).catch(() => undefined);
    if (facts?.isSymbolicLink() === true)
      links.push({ path: folder, target: await readlink(folder) });
    else if (facts !== undefined) folders.push(folder);
  }
  const files: { from: string; at: string }[] = [];
  for (const program of programs) {
    for (const file of [program, ...(await findLibraries(program))]) {
      const from = await realpath(file);
      for (const at of new Set([path.resolve(file), from])) {
        const isNew = !isBelow(at, folders) && !files.some((known) => known.at === at);
        if (isNew && (await stat(from)).isFile()) files.push({ from, at });
      }
    }
  }
  return { folders, links, files };
}

/** As its loader finds them; none for a static program and for a script. */
async function findLibraries(program: string): Promise<readonly string[]> {
  try {
    const { stdout } = await promisify(execFile)('ldd', [program], { timeout: LDD_TIMEOUT_MS });
    return [...stdout.matchAll(/(?:=> |^\s*)(\/\S.*?) \(0x/gm)].map(([, file]) => file ?? '');
  } catch {
    return [];
  }
}

function isBelow(file: string, folders: readonly string[]): boolean {
  const roots = [...folders, ...ROOT_FOLDERS];
  return roots.some((folder) => file.startsWith(`${folder}/`));
}
