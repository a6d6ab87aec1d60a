import { existsSync } from 'node:fs';
import path from 'node:path';
import { PROJECT_ROOT } from '../../src/config/env.ts';

/**
 * Folder with clips of real cameras, phones and encoders, named `real-*`: `REAL_CLIPS_DIR`, else `shared/media` beside the
 * checkout. They are not part of the project and are read in place.
 * @param suite says on stderr that it is skipped where there is no such folder
 * @returns absolute path; undefined where there is none
 */
export function findRealClips(suite: string): string | undefined {
  const named = process.env['REAL_CLIPS_DIR'] ?? '';
  const folder = path.resolve(PROJECT_ROOT, named === '' ? '../shared/media' : named);
  if (existsSync(folder)) return folder;
  process.stderr.write(`${suite}: real clips SKIPPED, there is no ${folder} (REAL_CLIPS_DIR)\n`);
  return undefined;
}
