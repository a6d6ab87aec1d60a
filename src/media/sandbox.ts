/**
 * How bubblewrap is told to shut a tool in: an empty world of its own, without network, other processes or other files.
 *
 * In it are the system's programs and libraries, two harmless devices, and what the run itself was given. Everything keeps its
 * path, so that command lines mean the same inside and outside; nothing but the given folders can be written.
 */

/** What one run touches; absolute paths. */
export interface ToolAccess {
  /** Files. They stay read-only also where their folder may be written: the original is one of them, linked, not copied. */
  readonly reads: readonly string[];
  /** Folders. */
  readonly writes: readonly string[];
}

/** What this host needs inside for its tools to run; found once. */
export interface SystemMounts {
  readonly folders: readonly string[];
  /** `/bin -> usr/bin` and the like, as this host has them. */
  readonly links: readonly { readonly path: string; readonly target: string }[];
  /** Programs and libraries that lie elsewhere: `from` is shown at `at`. */
  readonly files: readonly { readonly from: string; readonly at: string }[];
}

const DEVICES = ['/dev/null', '/dev/urandom'];

/**
 * bubblewrap's arguments, before the command. Pure.
 *
 * There is no `--new-session`: tools start without a terminal already, and so all of them stay in the process group by which they
 * are killed. There is no /proc: nothing needs it, and a container may not mount one.
 */
export function bubblewrapArgs(system: SystemMounts, access: ToolAccess): readonly string[] {
  const { reads, writes } = access;
  return [
    '--unshare-all',
    '--die-with-parent',
    ...system.folders.flatMap((folder) => ['--ro-bind', folder, folder]),
    ...system.links.flatMap(({ path, target }) => ['--symlink', target, path]),
    ...system.files.flatMap(({ from, at }) => ['--ro-bind', from, at]),
    ...DEVICES.flatMap((device) => ['--dev-bind', device, device]),
    ...[...new Set(writes)].flatMap((folder) => ['--bind', folder, folder]),
    ...[...new Set(reads)].flatMap((file) => ['--ro-bind', file, file]),
    '--remount-ro',
    '/',
    '--chdir',
    writes[0] ?? '/',
  ];
}
