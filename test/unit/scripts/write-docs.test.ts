import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { PAGES } from '../../../scripts/write-docs.ts';
import { SETTINGS } from '../../../src/config/settings.ts';
import { ERRORS } from '../../../src/domain/errors.ts';

const read = (path: string): string =>
  readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

describe('generated pages', () => {
  it.each(PAGES)('$path is what `npm run docs` writes', ({ path, render }) => {
    expect(read(path)).toBe(render());
  });

  it('have a heading for every error code and every setting, once', () => {
    const headings = (path: string, level: string): string[] =>
      [...read(path).matchAll(new RegExp(`^${level} ([A-Za-z_-]+)$`, 'gm'))].map(
        ([, name]) => name ?? '',
      );
    expect(headings('docs/errors.md', '###').toSorted()).toEqual(Object.keys(ERRORS).toSorted());
    expect(headings('docs/configuration.md', '##')).toEqual(Object.keys(SETTINGS));
  });
});
