import type { Verdict } from './judge.ts';

/** Prints what was looked at and every breach; any breach makes the program end with 1. @param how what a repetition needs */
export function report(verdicts: readonly Verdict[], how: string): void {
  say('');
  for (const { check, looked, breaches } of verdicts) {
    say(`${breaches.length === 0 ? '✓' : '✗'} ${check.padEnd(12)} ${looked} looked at`);
    for (const breach of breaches) say(`    ${breach}`);
  }
  const breached = verdicts.filter(({ breaches }) => breaches.length > 0);
  say('');
  if (breached.length === 0) return say(`Nothing lost, doubled, stuck or left behind. ${how}`);
  say(`Breached: ${breached.map(({ check }) => check).join(', ')}. ${how}`);
  process.exitCode = 1;
  return undefined;
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
