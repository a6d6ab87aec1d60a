import { describe, expect, it } from '@jest/globals';
import { judgeEta } from '../../../bench/encode/eta.ts';
import { readSteps } from '../../../bench/encode/kill.ts';
import { readOptions } from '../../../bench/encode/options.ts';
import { hasMissed, judge, median, renderTable } from '../../../bench/encode/report.ts';
import { UsageError } from '../../../bench/options.ts';

describe('the table of the benchmark', () => {
  it('takes the middle of the rounds', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  it.each([
    [0.4, 'smaller', 'aim'],
    [0.5, 'smaller', 'must'],
    [0.6, 'smaller', 'missed'],
    [0.6, 'larger', 'must'],
    [0.4, 'larger', 'missed'],
    [Number.NaN, 'smaller', 'missed'],
    [Number.POSITIVE_INFINITY, 'smaller', 'missed'],
  ] as const)('judges %d, the %s the better: %s', (value, better, verdict) => {
    const bounds = better === 'smaller' ? { must: 0.52, aim: 0.45 } : { must: 0.5, aim: 0.7 };
    const row = judge('figure', value, { better, ...bounds });
    expect(row.verdict).toBe(verdict);
    expect(hasMissed([{ measure: 'for information', value: '1' }, row])).toBe(verdict === 'missed');
  });

  it('is Markdown', () => {
    const table = renderTable([judge('x', 1, { better: 'smaller', must: 2, note: 'n' })]);
    expect(table.split('\n')).toEqual([
      '| measure | value | must | aim | verdict | note |',
      '| ------- | ----- | ---- | --- | ------- | ---- |',
      '| x       | 1.00  | ≤ 2  |     | met     | n    |',
    ]);
  });
});

describe('judgeEta', () => {
  it('compares what was told when a mark was first reached with what it came to', () => {
    const samples = [
      { atMs: 0, percent: 10, etaSeconds: null },
      { atMs: 30_000, percent: 26, etaSeconds: 80 },
      { atMs: 31_000, percent: 27, etaSeconds: 1 },
      { atMs: 60_000, percent: 75.5, etaSeconds: 30 },
    ];
    expect(judgeEta(samples, 100_000)).toEqual([
      { percent: 25, toldSeconds: 80, trueSeconds: 70, error: 10 / 70 },
      { percent: 50, toldSeconds: 30, trueSeconds: 40, error: 0.25 },
      { percent: 75, toldSeconds: 30, trueSeconds: 40, error: 0.25 },
    ]);
  });

  it('counts nothing told as wholly wrong', () => {
    const samples = [{ atMs: 0, percent: 80, etaSeconds: null }];
    expect(judgeEta(samples, 10_000)[0]?.error).toBe(Number.POSITIVE_INFINITY);
    expect(judgeEta([], 10_000)[0]?.error).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('readSteps', () => {
  it('finds the steps of one video among the lines of a log', () => {
    const line = (fields: object) =>
      JSON.stringify({ level: 'info', time: '2026-11-23T10:00:00.000Z', ...fields });
    const log = [
      'plain words about a "step started"',
      line({ videoId: 7, step: 'chunk/0', msg: 'step started' }),
      line({ videoId: 8, step: 'chunk/1', msg: 'step started' }),
      line({ videoId: 7, step: 'chunk/0', msg: 'step failed' }),
      line({ videoId: 7, step: 'chunk/0', msg: 'step ended' }),
      '{"msg":"step en',
    ].join('\n');
    expect(readSteps(log, 7).map(({ step, msg }) => [step, msg])).toEqual([
      ['chunk/0', 'step started'],
      ['chunk/0', 'step ended'],
    ]);
  });
});

describe('readOptions', () => {
  it('runs everything, or what is named', () => {
    expect(readOptions([]).parts.size).toBe(6);
    expect([...readOptions(['--only', 'cpu,eta', '--rounds', '1']).parts]).toEqual(['cpu', 'eta']);
    expect(readOptions(['--timeline']).parts.size).toBe(0);
  });

  it.each([['--only', 'speed'], ['--rounds', '0'], ['--seconds', '31'], ['--fast']])(
    'refuses %s %s',
    (...args) => {
      expect(() => readOptions(args)).toThrow(UsageError);
    },
  );
});
