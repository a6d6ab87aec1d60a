import { removeVersion } from '../db/outputs.ts';
import { removeUnpublishedPieces, withoutOwner } from '../db/pieces.ts';
import { countLostRuns, findActiveRuns, type OldRun } from '../db/reconcile.ts';
import { endRun, findActiveRun, isSameRun, lockVideo, type RunVideo } from '../db/runs.ts';
import type { EntityManager } from '../db/orm.ts';
import { ERRORS, isErrorCode } from '../domain/errors.ts';
import type { Failure } from '../domain/failure.ts';
import type { Finding, ReconcilePageResult } from '../domain/reconcile-report.ts';
import type { RunState } from '../domain/video.ts';
import type { RunDescription, RunFailure } from '../temporal/run-descriptions.ts';
import type { ReconcilePage } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { eachLimited } from './each-limited.ts';
import { toResult, toRowPage } from './reconcile-page.ts';

/** Questions to the workflow server at a time. */
export const ASKED_AT_ONCE = 16;
/** A run that keeps disappearing is given up. */
const MOST_LOST_RUNS = 3;

/**
 * Settles active runs whose workflow has ended without saying so: terminated, timed out, or forgotten by the server. One that is
 * open is left alone, and told where its workers cannot go on with it.
 */
export async function settleEndedRuns(
  deps: ActivityDeps,
  page: ReconcilePage,
): Promise<ReconcilePageResult> {
  const runs = await deps.database.run((em) => findActiveRuns(em, toRowPage(page)));
  const findings: Finding[] = [];
  let settled = 0;
  await eachLimited(runs, ASKED_AT_ONCE, async (run) => {
    const latest = await deps.runDescriptions.latestRun(run.workflowId);
    if (latest?.state === 'open') {
      if (latest.isWedged) findings.push(wedged(run.videoId, run.workflowId));
      return;
    }
    const ending = await settle(deps, run, latest);
    if (ending === undefined) return;
    settled += 1;
    findings.push(describe(run, ending, latest));
  });
  const ids = runs.map(({ id }) => id);
  return toResult(page, ids, { runsSeen: runs.length, runsSettled: settled }, findings);
}

export function wedged(videoId: number, workflowId: string): Finding {
  return {
    code: 'run-wedged',
    videoId,
    subject: workflowId,
    detail: 'Its workflow task fails again and again; see TemporalReportedProblems. Left alone.',
  };
}

/** What became of the row of a run. */
interface Ending {
  readonly state: Exclude<RunState, 'active' | 'completed'>;
  readonly failure: Failure | null;
}

/**
 * Decides and writes while nobody else can: a run that has ended by itself meanwhile, or was taken over, is not touched.
 * @returns undefined where there was nothing to settle
 */
async function settle(
  deps: ActivityDeps,
  seen: OldRun,
  latest: RunDescription | undefined,
): Promise<Ending | undefined> {
  const told =
    latest?.status === 'FAILED'
      ? await deps.runDescriptions.failureOf({ ...seen, runId: latest.runId })
      : undefined;
  const settled = await deps.database.transact(async (tx) => {
    const video = await lockVideo(tx, seen.videoId);
    const run = video === undefined ? undefined : await findActiveRun(tx, seen.videoId);
    if (video === undefined || run === undefined || !isSameRun(run.identity, seen))
      return undefined;
    const ending = await chooseEnding(tx, video, { latest, told });
    await endRun(tx, run, ending.state, ending.failure);
    const keys = [...(await removeVersion(tx, run.videoId, run.version))];
    if (!keepsPieces(ending)) keys.push(...(await removeUnpublishedPieces(tx, run.videoId)));
    return { ending, orphans: await withoutOwner(tx, keys) };
  });
  if (settled === undefined) return undefined;
  await deps.store.delete(settled.orphans);
  const { state, failure } = settled.ending;
  deps.logger.warn(
    { ...seen, status: latest?.status ?? 'unknown', state, errorCode: failure?.code },
    'run that had ended was settled',
  );
  return settled.ending;
}

/** As after a run that settles itself: a source that can never work, or a cancel, leaves nothing behind. */
function keepsPieces({ state, failure }: Ending): boolean {
  return state !== 'cancelled' && (failure === null || ERRORS[failure.code].fault !== 'source');
}

async function chooseEnding(
  tx: EntityManager,
  video: RunVideo,
  { latest, told }: { latest: RunDescription | undefined; told: RunFailure | undefined },
): Promise<Ending> {
  if (latest?.status === 'CANCELLED') return { state: 'cancelled', failure: null };
  if (latest !== undefined) return { state: 'failed', failure: toFailure(latest.status, told) };
  const mayStartAgain =
    video.version === null && (await countLostRuns(tx, video.id)) < MOST_LOST_RUNS;
  return mayStartAgain
    ? { state: 'lost', failure: null }
    : { state: 'failed', failure: runLost(lostSentence(video)) };
}

function lostSentence({ version }: RunVideo): string {
  return version === null
    ? `The workflow server lost the runs of this video ${MOST_LOST_RUNS + 1} times.`
    : 'The workflow server lost this run; the published version is as it was.';
}

function toFailure(status: string, told: RunFailure | undefined): Failure {
  if (told !== undefined && isErrorCode(told.type)) return failure(told.type, told.message);
  return runLost(`The run was ended from outside (${status.toLowerCase().replaceAll('_', ' ')}).`);
}

function runLost(detail: string): Failure {
  return failure('run-lost', detail);
}

function failure(code: Failure['code'], detail: string): Failure {
  const { title } = ERRORS[code];
  return { code, title, detail, step: 'workflow', attempt: 1, at: new Date().toISOString() };
}

function describe(
  run: OldRun,
  { state, failure: why }: Ending,
  latest: RunDescription | undefined,
): Finding {
  const found =
    latest === undefined ? 'unknown to the workflow server' : latest.status.toLowerCase();
  const done = state === 'lost' ? 'is started again' : `is ${state}`;
  return {
    code: why?.code ?? (state === 'cancelled' ? 'cancelled' : 'run-lost'),
    videoId: run.videoId,
    subject: run.workflowId,
    detail: `The run was ${found} and had not told; it ${done}.`,
  };
}
