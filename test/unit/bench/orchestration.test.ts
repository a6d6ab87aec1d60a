import { describe, expect, it } from '@jest/globals';
import { UsageError } from '../../../bench/options.ts';
import { shareOfWorkers } from '../../../bench/orchestration/event-times.ts';
import { PARTS, readOptions } from '../../../bench/orchestration/options.ts';

const at = (eventId: number, ms: number, startedEventId?: number) => ({
  eventId,
  eventTime: { seconds: 7, nanos: ms * 1e6 },
  ...(startedEventId === undefined
    ? {}
    : { activityTaskCompletedEventAttributes: { startedEventId } }),
});

describe('shareOfWorkers', () => {
  it('counts what is worked on at the same time once', () => {
    const events = [
      at(1, 0),
      at(2, 10),
      at(3, 20),
      at(4, 50, 2),
      at(5, 60, 3),
      at(6, 90),
      at(7, 95, 6),
    ];
    expect(shareOfWorkers(events)).toBeCloseTo(55);
  });
});

describe('options', () => {
  it('measures everything unless told otherwise', () => {
    expect([...readOptions([]).parts]).toEqual(PARTS);
    expect([...readOptions(['--only', 'kill,replay']).parts]).toEqual(['kill', 'replay']);
  });

  it.each([['--only', 'nothing'], ['--rounds', '0'], ['--what']])('refuses %s', (...args) => {
    expect(() => readOptions(args.filter(Boolean))).toThrow(UsageError);
  });
});
