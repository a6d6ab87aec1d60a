import { CommandProblem } from '../client/problem.ts';

/** A run as it was recorded. */
export interface RecordedRun {
  /** For people. */
  readonly name: string;
  readonly workflowId: string;
  readonly history: unknown;
  readonly events: number;
}

/**
 * Reads what `temporal workflow show --output json` or a download of the Web UI has written, or one of the histories that the tests
 * replay.
 * @param name  of the file, for people
 */
export function readRecordedRun(name: string, text: string): RecordedRun {
  const content = parse(name, text);
  const { workflowId = name, history = content } = (content ?? {}) as {
    workflowId?: string;
    history?: unknown;
  };
  const events = Array.isArray(history)
    ? history
    : (history as { events?: unknown } | null)?.events;
  if (!Array.isArray(events) || events.length === 0)
    throw new CommandProblem(`${name} holds no history: there are no events in it.`);
  return { name, workflowId, history: { events }, events: events.length };
}

function parse(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CommandProblem(`${name} is not JSON.`);
  }
}
