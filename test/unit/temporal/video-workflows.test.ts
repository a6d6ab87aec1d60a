import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { ServiceError, type Client } from '@temporalio/client';
import type { VideoId } from '../../../src/domain/ids.ts';
import { createVideoWorkflows } from '../../../src/temporal/video-workflows.ts';

const VIDEO = { id: 7 as VideoId, ownerId: 1, title: 'x', priority: 'normal' } as const;

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

it('rule 11: an upload waits for a server that does not answer for less than five seconds, once', async () => {
  const waits: number[] = [];
  const connection = {
    withDeadline(deadline: number) {
      waits.push(deadline - Date.now());
      return Promise.reject(new ServiceError('it did not answer'));
    },
  };
  const workflows = createVideoWorkflows({ connection } as unknown as Client);
  expect(await workflows.startUpload(VIDEO)).toBe(false);
  expect(waits).toEqual([expect.any(Number)]);
  expect(Math.max(...waits)).toBeLessThanOrEqual(4000);
});
