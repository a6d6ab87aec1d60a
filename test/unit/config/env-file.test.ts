import { describe, expect, it } from '@jest/globals';
import { parseEnvFile } from '../../../src/config/env-file.mjs';

describe('parseEnvFile', () => {
  it.each([
    ['PORT=3001', '3001'],
    ['PORT = 3001  ', '3001'],
    ['export PORT=3001', '3001'],
    ['PORT=3001  # beside another server', '3001'],
    ['PORT=#', ''],
    ['PORT=', ''],
    ['PORT=a#b', 'a#b'],
    ['PORT="a # b"  # why', 'a # b'],
    [String.raw`PORT="line\nnext \"quoted\" \\"`, 'line\nnext "quoted" \\'],
    [String.raw`PORT='as \n it $is'`, String.raw`as \n it $is`],
    ['PORT=postgresql://u:p@h:5432/d?sslmode=require', 'postgresql://u:p@h:5432/d?sslmode=require'],
  ])('reads %s', (line, expected) => {
    expect(parseEnvFile(line)).toEqual({ PORT: expected });
  });

  it('skips blank lines, comments and a byte order mark, and accepts CRLF', () => {
    expect(parseEnvFile('\uFEFFA=1\r\n\r\n# B=2\r\n  C=3\r\n')).toEqual({ A: '1', C: '3' });
  });

  it('lets the last of two equal keys win', () => {
    expect(parseEnvFile('A=1\nA=2')).toEqual({ A: '2' });
  });

  it.each(['just words', '1A=2', 'A="not closed', 'A="closed" but more'])(
    'names the line of %s',
    (line) => {
      expect(() => parseEnvFile(`OK=1\n${line}`)).toThrow(/Line 2 of \.env/);
    },
  );
});
