import type { RunIdentity, VideoId } from '../domain/ids.ts';
import type { StepWeight } from '../domain/step-weights.ts';
import type { EntityManager } from './orm.ts';

/**
 * How far a run is: the sum of weight × fraction over its steps, so that steps which work at the same time add up.
 *
 * Every statement takes the rows of steps before the row of the run, so that no two of them wait for each other.
 */

/** Work that has been silent for longer was not work but waiting; steps report every 2.5 s. */
const LONGEST_SILENCE = `interval '8 seconds'`;

/** Assignments to `video_runs` for "this run is working right now": counts the time since its last sign. */
export const SIGN_OF_WORK = `worked_seconds = worked_seconds + case
    when tool_seen_at > now() - ${LONGEST_SILENCE} then greatest(0, extract(epoch from now() - tool_seen_at)) else 0 end,
  tool_seen_at = now()`;

/** What is shown: one digit, never less than before, and 100 only by publishing. */
const shownPercent = (done: string): string =>
  `greatest(progress_percent, least(99.9, round((${done})::numeric, 1)::float8))`;

/** Percent by which what is done may shrink without the speed being learned anew. */
const LOST_PERCENT = 1;
const IS_NEW_BEGINNING = `(? and (start_percent is null or steps.done < done_percent - ${LOST_PERCENT}))`;

/** A step and how it stands. */
export interface KnownStep extends StepWeight {
  /** Left out: as it was. */
  readonly isDone?: boolean | undefined;
}

/**
 * Enters what the steps of a run weigh and which are done; may be repeated. A step that is not named weighs nothing any more.
 * @param begin  the encode begins here: what is done by now was not made at this run's speed. Only the first time counts, and a
 *   time when much of what was done no longer is: the plan has changed, or pieces are lost.
 */
export async function enterSteps(
  tx: EntityManager,
  videoRunId: number,
  steps: readonly KnownStep[],
  { begin }: { readonly begin: boolean },
): Promise<void> {
  await tx.execute(
    `insert into piece_attempts as known (video_run_id, name, weight, fraction)
     select ?, step.name, step.weight, case when step.done then 1 else 0 end
       from jsonb_to_recordset(?::jsonb) as step(name text, weight float8, done bool)
     on conflict (video_run_id, name) do update set weight = excluded.weight,
       fraction = case when excluded.fraction = 1 then 1 else known.fraction end`,
    [
      videoRunId,
      JSON.stringify(
        steps.map(({ name, weight, isDone = false }) => ({ name, weight, done: isDone })),
      ),
    ],
    'run',
  );
  const gone = steps.filter(({ isDone }) => isDone === false).map(({ name }) => name);
  await tx.execute(
    `update piece_attempts set
        fraction = case when fraction = 1 and name in (select jsonb_array_elements_text(?::jsonb)) then 0 else fraction end,
        weight = case when name in (select jsonb_array_elements_text(?::jsonb)) then weight else 0 end
      where video_run_id = ?`,
    [JSON.stringify(gone), JSON.stringify(steps.map(({ name }) => name)), videoRunId],
    'run',
  );
  await tx.execute(
    `update video_runs set done_percent = steps.done, progress_percent = ${shownPercent('steps.done')},
       worked_seconds = case when ${IS_NEW_BEGINNING} then 0 else worked_seconds end,
       start_percent = case when ${IS_NEW_BEGINNING} then steps.done else start_percent end
      from (select coalesce(sum(weight * fraction), 0) as done from piece_attempts where video_run_id = ?) as steps
     where video_runs.id = ?`,
    [begin, begin, videoRunId, videoRunId],
    'run',
  );
}

/** Hands on what an earlier row of the same run knew of its steps, after a reset made a new row. */
export async function copySteps(
  tx: EntityManager,
  fromRunId: number,
  toRunId: number,
): Promise<void> {
  await tx.execute(
    `insert into piece_attempts (video_run_id, name, weight, fraction)
     select ?, name, weight, fraction from piece_attempts where video_run_id = ?
     on conflict (video_run_id, name) do update set weight = excluded.weight, fraction = excluded.fraction`,
    [toRunId, fromRunId],
    'run',
  );
}

/**
 * Tells how far one step is, and with it the run, in one statement that is itself fenced. The other steps count as they last
 * reported.
 * @param fraction 0 to 1
 */
export async function reportProgress(
  em: EntityManager,
  videoId: VideoId,
  identity: RunIdentity,
  step: { readonly name: string; readonly fraction: number },
): Promise<void> {
  await em.execute(
    `with active as (
       select id from video_runs where video_id = ? and workflow_id = ? and run_id = ? and state = 'active'
     ), reported as (
       update piece_attempts set fraction = ? from active where video_run_id = active.id and name = ?
       returning video_run_id, weight * fraction as done
     ), others as (
       select coalesce(sum(weight * fraction), 0) as done from piece_attempts, active where video_run_id = active.id and name <> ?
     )
     update video_runs set done_percent = reported.done + others.done,
       progress_percent = ${shownPercent('reported.done + others.done')}, waiting_for = null, ${SIGN_OF_WORK}
      from reported, others where video_runs.id = reported.video_run_id and state = 'active'`,
    [
      videoId,
      identity.workflowId,
      identity.runId,
      Math.min(1, Math.max(0, step.fraction)),
      step.name,
      step.name,
    ],
    'run',
  );
}
