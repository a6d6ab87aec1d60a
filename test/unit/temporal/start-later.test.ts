import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { VideoId } from '../../../src/domain/ids.ts';
import { withLaterStarts } from '../../../src/temporal/start-later.ts';
import { createFakeWorkflows } from '../../support/fake-workflows.ts';

const VIDEO = { id: 7 as VideoId, ownerId: 1, title: 'x', priority: 'normal' } as const;

describe('withLaterStarts', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('tries again until the server is back, and no longer', async () => {
    const answers = [false, false, true];
    let calls = 0;
    const workflows = withLaterStarts({
      ...createFakeWorkflows(),
      startUpload: () => Promise.resolve(answers[calls++] ?? true),
    });
    expect(await workflows.startUpload(VIDEO)).toBe(false);
    await jest.advanceTimersByTimeAsync(2_000);
    expect(calls).toBe(2);
    await jest.advanceTimersByTimeAsync(4_000);
    expect(calls).toBe(3);
    await jest.advanceTimersByTimeAsync(600_000);
    expect(calls).toBe(3);
  });

  it('leaves off when it is closed', async () => {
    let calls = 0;
    const workflows = withLaterStarts({
      ...createFakeWorkflows(),
      startUpload: () => Promise.resolve(calls++ < 0),
    });
    await workflows.startUpload(VIDEO);
    await workflows.close();
    await jest.advanceTimersByTimeAsync(600_000);
    expect(calls).toBe(1);
  });
});
