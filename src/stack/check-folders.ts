import { accessSync, constants, existsSync, mkdirSync, rmdirSync, statSync } from 'node:fs';
import { dirname, sep } from 'node:path';
import { getSystemErrorMessage } from 'node:util';
import { ConfigError, type StackConfig } from '../config/env.ts';

/**
 * Makes sure, before anything starts, that each folder of the settings is there or can be made. What is not there stays so: whether
 * a media folder exists says whether media have lain on the disk.
 * @throws ConfigError with one sentence for each setting whose folder cannot be used
 */
export function checkFolders(folders: StackConfig['folders']): void {
  const faults: string[] = [];
  let refused: string | undefined;
  for (const [name, folder] of Object.entries(folders)) {
    // By default the others lie in DATA_DIR, which comes first; it is named alone.
    if (refused !== undefined && folder.startsWith(refused + sep)) continue;
    const reason = reasonAgainst(folder, name === 'MEDIA_ROOT');
    if (reason === undefined) continue;
    refused ??= folder;
    faults.push(`${name}: ${folder} cannot be used: ${reason}.`);
  }
  if (faults.length > 0) throw new ConfigError(faults);
}

/** @param isOnlyRead  a media disk that takes no writes for now can still be watched */
function reasonAgainst(folder: string, isOnlyRead: boolean): string | undefined {
  try {
    if (!statSync(folder).isDirectory()) return 'not a directory';
    accessSync(folder, constants.X_OK | (isOnlyRead ? constants.R_OK : constants.W_OK));
    return undefined;
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') return describe(error);
  }
  const parent = dirname(folder);
  if (!existsSync(parent)) return reasonAgainst(parent, false);
  try {
    // Not `recursive`, with which Node tries for ever below /proc.
    mkdirSync(folder, { mode: 0o700 });
    rmdirSync(folder);
    return undefined;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return 'a link to what is not there';
    return codeOf(error) === 'ENOENT' ? 'no folder can be made there' : describe(error);
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

function describe(error: unknown): string {
  const { errno, message } = error as NodeJS.ErrnoException;
  return errno === undefined ? message : getSystemErrorMessage(errno);
}
