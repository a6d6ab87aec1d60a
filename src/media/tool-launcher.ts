import path from 'node:path';

import { detectLaunchers, findTool } from './launchers.ts';
import { type ProcessLimits, prlimitArgs } from './process-limits.ts';
import { bubblewrapArgs, type SystemMounts, type ToolAccess } from './sandbox.ts';

/**
 * What keeps a tool from the rest of the host. `bubblewrap`: no network, no files but its own. `no-network`: only the first.
 */
export type SandboxKind = 'bubblewrap' | 'no-network' | 'none';

/** What stands before a tool's command line, and its whole environment. */
export interface Launch {
  readonly prefix: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** How tools are started on this host. */
export interface ToolLauncher {
  readonly sandbox: SandboxKind;
  launch(access: ToolAccess, limits: ProcessLimits): Launch;
}

/** Of our own environment, secrets and all, a tool gets no more than this. */
const PASSED_ON = ['PATH', 'LD_LIBRARY_PATH'];
const SANDBOX_PATH = '/usr/local/bin:/usr/bin:/bin';

/**
 * Puts together, from the outside in: ties to this process, bounds, the sandbox. All of them exec what follows; only bubblewrap
 * stays beside the tool, in its process group.
 */
export async function createToolLauncher(
  sandbox:
    | { readonly kind: 'bubblewrap'; readonly command: string; readonly system: SystemMounts }
    | { readonly kind: 'no-network'; readonly command: string }
    | { readonly kind: 'none' },
): Promise<ToolLauncher> {
  const [ties, prlimit] = await Promise.all([detectLaunchers(), findTool('prlimit')]);
  const passedOn = Object.fromEntries(PASSED_ON.map((name) => [name, process.env[name]]));
  const env = sandbox.kind === 'bubblewrap' ? { ...passedOn, PATH: SANDBOX_PATH } : passedOn;
  const enclose = (access: ToolAccess): readonly string[] => {
    if (sandbox.kind === 'none') return [];
    if (sandbox.kind === 'no-network') return [sandbox.command, '-r', '-n', '--'];
    return [sandbox.command, ...bubblewrapArgs(sandbox.system, access)];
  };
  return {
    sandbox: sandbox.kind,
    launch: (access, limits) => {
      for (const place of [...access.reads, ...access.writes]) mustBeSafe(place);
      const bounds = prlimit === undefined ? [] : [prlimit, ...prlimitArgs(limits)];
      return { prefix: [...ties, ...bounds, ...enclose(access)], env };
    },
  };
}

/** A relative name could be an option or a protocol, and the root would be everything. */
function mustBeSafe(place: string): void {
  if (!path.isAbsolute(place)) throw new Error(`tools get absolute paths only: ${place}`);
  if (path.resolve(place) === '/') throw new Error('no tool works in the root folder');
}

let bare: Promise<ToolLauncher> | undefined;

/** Ties and bounds only. For files of our own making. */
export function unconfinedLauncher(): Promise<ToolLauncher> {
  bare ??= createToolLauncher({ kind: 'none' });
  return bare;
}
