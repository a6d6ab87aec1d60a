import { describe, expect, it } from '@jest/globals';
import {
  generateApiKey,
  hashSecret,
  matchesHash,
  parseApiKey,
} from '../../../src/usecases/api-key-format.ts';

describe('API keys', () => {
  it('are read back into their parts', () => {
    const { key, publicId, secret } = generateApiKey();
    expect(key).toMatch(/^vk_[0-9A-Za-z]{10}_[0-9A-Za-z]{28}$/);
    expect(parseApiKey(key)).toEqual({ publicId, secret });
  });

  it('are never the same twice', () => {
    expect(new Set(Array.from({ length: 50 }, () => generateApiKey().key)).size).toBe(50);
  });

  it('tell by their checksum that a letter was mistyped', () => {
    const { key } = generateApiKey();
    const last = key.at(20) === 'A' ? 'B' : 'A';
    expect(parseApiKey(`${key.slice(0, 20)}${last}${key.slice(21)}`)).toBeUndefined();
  });

  it.each(['', 'vk_', 'Bearer x', 'vk_short_secret'])('do not look like %j', (text) => {
    expect(parseApiKey(text)).toBeUndefined();
  });

  it('match their own hash and no other', () => {
    expect(matchesHash('secret', hashSecret('secret'))).toBe(true);
    expect(matchesHash('secret', hashSecret('Secret'))).toBe(false);
    expect(matchesHash('secret', 'no hash')).toBe(false);
  });
});
