import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { BREAKAGES, type Breakage } from '../../chaos/breakages.ts';
import { PROJECT_ROOT } from '../../src/config/env.ts';

const execute = promisify(execFile);
const MOST_MS = 600_000;

/** The command as it is called, with few faults. */
async function runChaos(...args: readonly string[]): Promise<{ code: number; out: string }> {
  const script = path.join(PROJECT_ROOT, 'chaos/main.ts');
  try {
    const { stdout } = await execute(process.execPath, [script, ...args], {
      env: { ...process.env, NODE_OPTIONS: '' },
      timeout: MOST_MS,
    });
    return { code: 0, out: stdout };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: `${stdout}${stderr}` };
  }
}

describe('chaos', () => {
  it.concurrent(
    'finds nothing lost, doubled, stuck or left behind',
    async () => {
      const { code, out } = await runChaos('--kills', '10', '--seed', '7');
      expect(out).toContain('Nothing lost, doubled, stuck or left behind. Seed 7.');
      expect(code).toBe(0);
    },
    MOST_MS,
  );

  it.concurrent.each(Object.entries(BREAKAGES) as [string, Breakage][])(
    'sees a product that is broken: %s',
    async (name, { breach }) => {
      const { code, out } = await runChaos('--kills', '1', '--seed', '3', '--break', name);
      expect(out).toMatch(new RegExp(`^✗ ${breach} `, 'm'));
      expect(code).toBe(1);
    },
    MOST_MS,
  );
});
