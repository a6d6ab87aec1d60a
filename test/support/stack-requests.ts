import type { RunningStack } from './stack.ts';
import { waitUntil } from './wait-until.ts';

/** What the API answers, as JSON. */
export type Answer = Record<string, unknown>;

/** Requests to a running stack as its administrator, for programs outside of jest. An answer that is no success is an error. */
export interface StackRequests {
  send(method: string, route: string, body?: FormData | Blob | string): Promise<Response>;
  /** With JSON, or a form, for JSON. */
  ask(method: string, route: string, body?: object): Promise<Answer>;
  /** Waits until a video is completed or failed and has no run at work. */
  untilEnded(id: number, timeoutMs: number): Promise<Answer>;
}

export function createStackRequests(stack: RunningStack): StackRequests {
  const send: StackRequests['send'] = async (method, route, body) => {
    const response = await fetch(stack.url + route, {
      method,
      headers: {
        Authorization: `Bearer ${stack.apiKey}`,
        ...(typeof body === 'string' && { 'Content-Type': 'application/json' }),
      },
      ...(body !== undefined && { body }),
    });
    if (!response.ok)
      throw new Error(`${method} ${route}: ${response.status} ${await response.text()}`);
    return response;
  };
  const ask: StackRequests['ask'] = async (method, route, body) => {
    const isForm = body instanceof FormData;
    const response = await send(method, route, isForm || !body ? body : JSON.stringify(body));
    const text = await response.text();
    return text === '' ? {} : (JSON.parse(text) as Answer);
  };
  return {
    send,
    ask,
    untilEnded: (id, timeoutMs) =>
      waitUntil(
        () => ask('GET', `/videos/${id}`),
        ({ status, lastRun }) =>
          ['completed', 'failed'].includes(String(status)) &&
          (lastRun as { state: string }).state !== 'active',
        timeoutMs,
        500,
      ),
  };
}
