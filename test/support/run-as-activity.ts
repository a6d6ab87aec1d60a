import { asyncLocalStorage, CancelledFailure, Context } from '@temporalio/activity';
import type { RunIdentity } from '../../src/domain/ids.ts';

/** An attempt at an activity outside of a worker, which a test may leave behind where it stands, like a worker that was killed. */
export interface Attempt<T> {
  readonly ended: Promise<T>;
  /** As a request to cancel arrives. */
  cancel(): void;
}

export function runAsActivity<T>(identity: RunIdentity, work: () => Promise<T>): Attempt<T> {
  const stop = new AbortController();
  const cancelled = new Promise<never>((_resolve, reject) => {
    stop.signal.addEventListener('abort', () => reject(new CancelledFailure('CANCELLED')));
  });
  cancelled.catch(() => undefined);
  const info = { workflowExecution: identity, attempt: 1 };
  const context = Object.assign(Object.create(Context.prototype) as Context, {
    info,
    cancelled,
    cancellationSignal: stop.signal,
    heartbeat: () => undefined,
  });
  return {
    ended: asyncLocalStorage.run(context, work),
    cancel: () => stop.abort(),
  };
}
