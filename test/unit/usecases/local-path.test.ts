import { describe, expect, it } from '@jest/globals';
import { localPath } from '../../../src/usecases/login-links.ts';

describe('localPath', () => {
  it.each(['/', '/videos/42', '/?video=42#play', '/a%2Fb'])('keeps %j', (next) => {
    expect(localPath(next)).toBe(next);
  });

  it.each([
    undefined,
    '',
    'videos/42',
    'https://other.example/',
    '//other.example/',
    '/\\other.example/',
    '/\t/other.example/',
    '/..//other.example',
    'javascript:alert(1)',
  ])('leads %j to the start page', (next) => {
    expect(localPath(next)).toBe('/');
  });
});
