import { describe, expect, it } from '@jest/globals';

import { AppError } from '../../../src/domain/errors.ts';
import { classifyFailure } from '../../../src/media/classify-failure.ts';
import { cancellationOf, ProcessFailure } from '../../../src/media/process-failure.ts';
import type { ChildEnd } from '../../../src/media/supervise-child.ts';

function failure(end: Partial<ChildEnd>): ProcessFailure {
  return new ProcessFailure(['/usr/bin/ffmpeg', '-i', '/scratch/input'], {
    exitCode: 1,
    signal: null,
    spawnError: null,
    killedFor: null,
    durationMs: 1200,
    stderr: '',
    ...end,
  });
}

function codeOf(end: Partial<ChildEnd>, hasFrames = false): unknown {
  const error = classifyFailure(failure(end), { hasFrames });
  return error instanceof AppError ? error.code : error;
}

describe('classifyFailure', () => {
  it.each([
    [{ killedFor: 'timeout', signal: 'SIGKILL', exitCode: null }, 'processing-timeout'],
    [{ killedFor: 'stall', signal: 'SIGKILL', exitCode: null }, 'encoder-stalled'],
    [{ signal: 'SIGKILL', exitCode: null }, 'encoder-out-of-memory'],
    [{ exitCode: 137 }, 'encoder-out-of-memory'],
    [{ signal: 'SIGSEGV', exitCode: null }, 'encoder-failed'],
    [{ stderr: 'av_interleaved_write_frame(): No space left on device' }, 'disk-full'],
    [
      { stderr: "[mov] Format not on whitelist 'mov'\nInvalid argument" },
      'source-format-not-allowed',
    ],
    [
      { stderr: 'Number of streams exceeds max_streams parameter (64)\nCannot allocate memory' },
      'source-too-many-streams',
    ],
    [
      { stderr: 'Picture size 16384x8192 exceeds specified max pixel count 35389440' },
      'source-too-large-picture',
    ],
    [{ stderr: 'Error while filtering: Cannot allocate memory' }, 'encoder-out-of-memory'],
    [{ stderr: "Unknown encoder 'h264_nvenc'" }, 'encoder-failed'],
    [{ stderr: '' }, 'encoder-failed'],
  ] as const)('%j is %s', (end, code) => {
    expect(codeOf(end, true)).toBe(code);
  });

  it.each([
    { exitCode: 127, stderr: 'setpriv: failed to execute /usr/bin/ffmpeg' },
    { exitCode: 1, stderr: 'bwrap: execvp /usr/bin/ffmpeg: No such file or directory\n' },
    { exitCode: 1, stderr: 'bwrap: No permissions to create new namespace\n' },
  ])('does not blame the source when the tool could not be started: %j', (end) => {
    expect(codeOf(end, false)).toBeInstanceOf(ProcessFailure);
  });

  it('is not talked into that by a source that speaks like the sandbox', () => {
    expect(codeOf({ stderr: '[mov @ 0x1] odd title\nbwrap: execvp: no\n' }, false)).toBe(
      'encoder-failed',
    );
  });

  it.each([
    ['moov atom not found', 'source-unreadable'],
    ['/scratch/input: Invalid data found when processing input', 'source-unreadable'],
    ['Decoder (codec vvc) not found for input stream #0:0', 'source-codec-unsupported'],
    ['stream 0, offset 0x30: partial file', 'source-truncated'],
  ])('blames the source for "%s" only before the first frame', (stderr, code) => {
    expect(codeOf({ stderr }, false)).toBe(code);
    expect(codeOf({ stderr }, true)).toBe('encoder-failed');
  });

  it('keeps what an operator needs', () => {
    const error = classifyFailure(failure({ stderr: `${'x'.repeat(5000)}the end` }), {
      hasFrames: true,
    }) as AppError;
    expect(error.details).toMatchObject({
      command: ['/usr/bin/ffmpeg', '-i', '/scratch/input'],
      exitCode: 1,
      durationMs: 1200,
    });
    expect(error.details['stderrTail']).toHaveLength(2048);
    expect(error.details['stderrTail']).toMatch(/the end$/);
    expect(error.cause).toBeInstanceOf(ProcessFailure);
  });

  it('names neither a tool that could not start nor a cancelled one', () => {
    const notStarted = failure({ spawnError: new Error('ENOENT'), exitCode: null });
    expect(classifyFailure(notStarted, { hasFrames: false })).toBe(notStarted);
    const cancelled = failure({ killedFor: 'cancel', signal: 'SIGKILL' });
    expect(classifyFailure(cancelled, { hasFrames: false })).toBe(cancelled);
  });
});

describe('cancellationOf', () => {
  it('is the reason of the signal, but never a bare AbortError', () => {
    const cancelled = failure({ killedFor: 'cancel', signal: 'SIGKILL' });
    const reason = new TypeError('CANCELLED');
    expect(cancellationOf(AbortSignal.abort(reason), cancelled)).toBe(reason);
    expect(cancellationOf(AbortSignal.abort(), cancelled)).toBe(cancelled);
    expect(cancellationOf(AbortSignal.abort('a word'), cancelled)).toBe(cancelled);
  });
});
