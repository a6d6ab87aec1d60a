import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { readUploadForm } from '../../../src/api/media/read-upload-form.ts';
import { encodeForm, FORM_TYPE } from '../../support/raw-http.ts';

const STALL_MS = 60_000;
const BODY = encodeForm([{ name: 'video', content: 'x'.repeat(8000), fileName: 'a.mp4' }]);

describe('a form that comes slowly', () => {
  beforeEach(() => void jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate'] }));
  afterEach(() => void jest.useRealTimers());

  function receive(write: () => Promise<void> = async () => undefined) {
    const body = new PassThrough();
    const request = Object.assign(body, { headers: { 'content-type': FORM_TYPE }, complete: true });
    const form = readUploadForm(request as unknown as IncomingMessage, {
      write,
      stallMs: STALL_MS,
    });
    form.catch(() => undefined);
    return { body, form };
  }

  it('is waited for as long as it goes on', async () => {
    const { body, form } = receive();
    const step = Math.ceil(BODY.length / 8);
    for (let start = 0; start < BODY.length; start += step) {
      body.write(BODY.subarray(start, start + step));
      await turn();
      jest.advanceTimersByTime(STALL_MS - 1);
    }
    body.end();
    expect(await form).toMatchObject({ fileName: 'a.mp4' });
  });

  it('is given up once it has stopped for too long, and not for what takes its bytes slowly', async () => {
    const taken = Promise.withResolvers<void>();
    let isTaking = false;
    const { body, form } = receive(() => {
      isTaking = true;
      return taken.promise;
    });
    body.write(BODY.subarray(0, 1000));
    while (!isTaking) await turn();
    jest.advanceTimersByTime(5 * STALL_MS);
    taken.resolve();
    await turn();
    jest.advanceTimersByTime(STALL_MS - 1);
    expect(await Promise.race([form, turn('still waiting')])).toBe('still waiting');
    jest.advanceTimersByTime(1);
    await expect(form).rejects.toMatchObject({ code: 'upload-stalled' });
  });
});
