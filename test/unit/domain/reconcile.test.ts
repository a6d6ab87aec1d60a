import { describe, expect, it } from '@jest/globals';
import { compareObjects } from '../../../src/domain/compare-objects.ts';
import { parseReconcileInput } from '../../../src/domain/reconcile-input.ts';
import {
  addPage,
  emptyReport,
  type Finding,
  MOST_FINDINGS,
  summarizeReport,
  toPageResult,
} from '../../../src/domain/reconcile-report.ts';

const at = (...keys: readonly string[]) => keys.map((key) => ({ key, sizeBytes: 1 }));

describe('compareObjects', () => {
  it('tells what nobody names, and what is named and not there or of another size', () => {
    const stored = [...at('a', 'b'), { key: 'd', sizeBytes: 2 }];
    expect(compareObjects(stored, at('b', 'c', 'd'), 10)).toEqual({
      end: null,
      unnamed: at('a'),
      unsound: at('c', 'd'),
    });
  });

  it('judges nothing behind the end of a page that may go on', () => {
    expect(compareObjects(at('a', 'c'), at('c', 'd'), 2)).toEqual({
      end: 'c',
      unnamed: at('a'),
      unsound: [],
    });
    expect(compareObjects(at('a'), at('a', 'b'), 2)).toEqual({
      end: 'b',
      unnamed: [],
      unsound: at('b'),
    });
  });

  it.each([1, 2, 3, 7])('comes to the same in pages of %d', (limit) => {
    const stored = at('a', 'b', 'd', 'e', 'h');
    const named = at('b', 'c', 'd', 'f', 'g', 'h');
    const found = { unnamed: [] as string[], unsound: [] as string[] };
    for (let after: string | null = ''; after !== null;) {
      const from: string = after;
      const page = (all: typeof stored): typeof stored =>
        all.filter(({ key }) => key > from).slice(0, limit);
      const { end, unnamed, unsound }: ReturnType<typeof compareObjects> = compareObjects(
        page(stored),
        page(named),
        limit,
      );
      found.unnamed.push(...unnamed.map(({ key }) => key));
      found.unsound.push(...unsound.map(({ key }) => key));
      after = end;
    }
    expect(found).toEqual({ unnamed: ['a', 'e'], unsound: ['c', 'f', 'g'] });
  });
});

describe('the report', () => {
  const finding: Finding = { code: 'run-lost', videoId: 1, subject: 'x', detail: 'y' };

  it('adds up pages and keeps a bounded list', () => {
    let report = emptyReport('2026-11-22T11:30:15.123Z');
    expect(summarizeReport(report)).toBe('nothing to look at');
    const findings = Array.from({ length: 60 }, () => finding);
    for (let page = 0; page < 3; page += 1)
      report = addPage(report, toPageResult(null, { runsSeen: 500 }, findings));
    expect(report.counts).toMatchObject({ runsSeen: 1500, runsSettled: 0 });
    expect(report.findingCounts).toEqual({ 'run-lost': 180 });
    expect(report.findings).toHaveLength(MOST_FINDINGS);
    expect(summarizeReport(report)).toBe('runsSeen 1500, run-lost 180');
  });
});

describe('parseReconcileInput', () => {
  it('needs nothing', () => {
    for (const input of [undefined, null, {}]) expect(parseReconcileInput(input)).toEqual({});
    expect(parseReconcileInput({ pageSize: 2, pagesPerRun: 3 })).toMatchObject({ pageSize: 2 });
  });

  it.each([{ videoId: 1 }, { pageSize: 0 }, { pageSize: '2' }, [], 'x', { progress: {} }])(
    'refuses %j',
    (input) => {
      expect(() => parseReconcileInput(input)).toThrow(/may be left out/);
    },
  );
});
