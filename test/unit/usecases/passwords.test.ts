import { describe, expect, it } from '@jest/globals';
import { createPasswords, generatePassword } from '../../../src/usecases/passwords.ts';

describe('passwords', () => {
  it('are kept as argon2id and checked against it', async () => {
    const passwords = createPasswords();
    const hash = await passwords.hash('correct horse');
    expect(hash).toMatch(/^\$argon2id\$/);
    expect(await passwords.verify(hash, 'correct horse')).toBe(true);
    expect(await passwords.verify(hash, 'correct horsE')).toBe(false);
  });

  it('never fit a user who has none', async () => {
    expect(await createPasswords().verify(null, '')).toBe(false);
  });

  it('are refused rather than queued without end', async () => {
    const passwords = createPasswords();
    const results = await Promise.allSettled(Array.from({ length: 60 }, () => passwords.hash('x')));
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused).toHaveLength(60 - 52);
    expect(await passwords.hash('x')).toMatch(/^\$argon2id\$/);
  });

  it('are made up from letters that are hard to confuse', () => {
    expect(generatePassword()).toMatch(/^[a-hjkmnp-z2-9-]{20}$/);
  });
});
