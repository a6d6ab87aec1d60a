import { describe, expect, it } from '@jest/globals';
import { isAsWanted, type Outcome, renderTable } from '../../../src/cli/corpus/outcome.ts';
import { parseManifest, type Wanted } from '../../../src/cli/corpus/read-corpus.ts';

const outcome = (status: Outcome['status'], code: string | null = null): Outcome => ({
  status,
  code,
  detail: '',
  video: null,
});

describe('isAsWanted', () => {
  it.each<[Wanted, Outcome, boolean]>([
    ['accept', outcome('completed'), true],
    ['accept', outcome('failed', 'source-unreadable'), false],
    ['accept', outcome('unfinished'), false],
    ['reject', outcome('completed'), false],
    ['reject', outcome('failed', 'source-unreadable'), true],
    ['reject', outcome('refused', 'upload-not-a-video'), true],
    ['any', outcome('completed'), true],
    ['any', outcome('refused', 'upload-file-empty'), true],
    // The file is not to blame, or nothing was decided.
    ['reject', outcome('failed', 'encoder-failed'), false],
    ['reject', outcome('failed', 'processing-timeout'), false],
    ['reject', outcome('refused', 'internal-error'), false],
    ['reject', outcome('refused'), false],
    ['any', outcome('failed', 'encoder-failed'), false],
    ['any', outcome('unfinished'), false],
    ['any', outcome('cancelled'), false],
  ])('%s: %j is %s', (wanted, became, verdict) => {
    expect(isAsWanted({ wanted }, became)).toBe(verdict);
  });
});

describe('parseManifest', () => {
  it('reads names and wishes, and needs no reason', () => {
    expect(parseManifest('# a corpus\na b.mp4\taccept\tplain\n\nc.ts\treject\n')).toEqual([
      { name: 'a b.mp4', wanted: 'accept' },
      { name: 'c.ts', wanted: 'reject' },
    ]);
  });

  it.each(['a.mp4', 'a.mp4\tmaybe', '\taccept', '../a.mp4\taccept'])('refuses %j', (line) => {
    expect(() => parseManifest(`x.mp4\tany\n${line}\n`)).toThrow('Line 2');
  });
});

describe('renderTable', () => {
  it('puts one file on each line, in columns', () => {
    const one = { path: '/a.mp4', sizeBytes: 7, wanted: 'reject' } as const;
    const table = renderTable([
      { case: { ...one, name: 'a.mp4' }, outcome: outcome('refused', 'upload-not-a-video') },
      { case: { ...one, name: 'longer.mp4' }, outcome: outcome('completed') },
    ]);
    expect(table.split('\n')).toEqual([
      '   file        wanted  became     code                bytes  picture  renditions  seconds  warnings',
      '✓  a.mp4       reject  refused    upload-not-a-video  7',
      '✗  longer.mp4  reject  completed                      7',
    ]);
  });
});
