import { describe, expect, it } from '@jest/globals';
import { AppError } from '../../../src/domain/errors.ts';
import { createAttemptLimiter } from '../../../src/usecases/attempt-limiter.ts';

const key = { name: 'a', allowed: 2 };

describe('createAttemptLimiter', () => {
  it('refuses the attempt after the last allowed one, and says when to come back', () => {
    const limiter = createAttemptLimiter(() => new Date(0));
    limiter.take([key]);
    limiter.take([key]);
    expect(codeOf(() => limiter.take([key]))).toEqual({
      code: 'rate-limited',
      retryAfterSeconds: 900,
    });
  });

  it('does not count attempts that succeeded', () => {
    const limiter = createAttemptLimiter(() => new Date(0));
    for (let attempt = 0; attempt < 5; attempt += 1) {
      limiter.take([key]);
      limiter.giveBack([key]);
    }
    expect(() => limiter.take([key])).not.toThrow();
  });

  it('forgets after a quarter of an hour', () => {
    let nowMs = 0;
    const limiter = createAttemptLimiter(() => new Date(nowMs));
    limiter.take([key]);
    limiter.take([key]);
    nowMs = 15 * 60_000;
    expect(() => limiter.take([key])).not.toThrow();
  });

  it('counts nothing when one of several keys is used up', () => {
    const limiter = createAttemptLimiter(() => new Date(0));
    const other = { name: 'b', allowed: 1 };
    limiter.take([key]);
    limiter.take([key]);
    expect(() => limiter.take([other, key])).toThrow(AppError);
    expect(() => limiter.take([other])).not.toThrow();
  });
});

function codeOf(work: () => void): object {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) {
      return { code: error.code, retryAfterSeconds: error.details['retryAfterSeconds'] };
    }
  }
  throw new Error('nothing was refused');
}
