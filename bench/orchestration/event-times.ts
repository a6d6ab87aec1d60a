/** What is read of an event of a history. */
export interface Event {
  readonly eventId?: unknown;
  readonly eventTime?: { readonly seconds?: unknown; readonly nanos?: number | null } | null;
  readonly workflowTaskCompletedEventAttributes?: Ended | null;
  readonly activityTaskCompletedEventAttributes?: Ended | null;
}

interface Ended {
  readonly startedEventId?: unknown;
}

/** For how many milliseconds of a run a worker had at least one task of it: workflow tasks and activities, from start to end. */
export function shareOfWorkers(events: readonly Event[]): number {
  const times = new Map(events.map((event) => [Number(event.eventId), toMs(event)]));
  const spans = events
    .flatMap((event) => {
      const ended =
        event.workflowTaskCompletedEventAttributes ?? event.activityTaskCompletedEventAttributes;
      const from = ended ? times.get(Number(ended.startedEventId)) : undefined;
      return from === undefined ? [] : [{ from, to: toMs(event) }];
    })
    .toSorted((a, b) => a.from - b.from);
  let covered = 0;
  let end = Number.NEGATIVE_INFINITY;
  for (const { from, to } of spans) {
    covered += Math.max(0, to - Math.max(from, end));
    end = Math.max(end, to);
  }
  return covered;
}

function toMs({ eventTime }: Event): number {
  return Number(eventTime?.seconds ?? 0) * 1000 + (eventTime?.nanos ?? 0) / 1e6;
}
