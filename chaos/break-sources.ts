import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { BREAKAGES, type BreakageName } from './breakages.ts';

/**
 * Loaded before a program of the product (`node --import`): changes its sources as the breakage of the environment variable
 * `CHAOS_BREAK` says. The files on the disk stay as they are.
 */
const name = process.env['CHAOS_BREAK'] as BreakageName;
const root = new URL('..', import.meta.url).href;
const changes = BREAKAGES[name].changes;

registerHooks({
  load(url, context, nextLoad) {
    const mine = changes.filter(({ file }) => url === root + file);
    if (mine.length === 0) return nextLoad(url, context);
    let source = readFileSync(fileURLToPath(url), 'utf8');
    for (const { file, find, replace } of mine) {
      if (!source.includes(find)) throw new Error(`${name}: ${file} no longer holds “${find}”`);
      source = source.replaceAll(find, () => replace);
    }
    return { format: 'module-typescript', source, shortCircuit: true };
  },
});
