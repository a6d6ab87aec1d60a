import type { EncodingPlan } from '../domain/encoding-plan.ts';
import type { Failure } from '../domain/failure.ts';
import type { VideoId } from '../domain/ids.ts';
import { type Pace, TOOL_SILENCE_SECONDS } from '../domain/progress.ts';
import type { RunKind, RunState, Stage } from '../domain/video.ts';
import type { EntityManager } from './orm.ts';

/** A run as viewers see it. */
export interface RunRecord {
  readonly videoId: VideoId;
  readonly workflowId: string;
  readonly runId: string;
  readonly kind: RunKind;
  readonly state: RunState;
  readonly stage: Stage;
  readonly progressPercent: number;
  readonly pace: Pace;
  readonly hasPlan: boolean;
  /** Null until the source was probed. */
  readonly plan: PlanRecord | null;
  readonly toolSeenAt: Date | null;
  readonly waitingFor: string | null;
  readonly failure: Failure | null;
  readonly startedAt: Date;
}

/** What viewers see of a plan: all but its grid. */
export type PlanRecord = Pick<
  EncodingPlan,
  'conversion' | 'needsIndex' | 'renditions' | 'skipped' | 'estimate' | 'warnings'
> & { readonly chunkCount: number };

/** An active run and whose video it works on. */
export interface QueueEntry {
  readonly title: string;
  readonly ownerId: number;
  readonly run: RunRecord;
}

/** Newest first. @param ownerId undefined: everybody's */
export async function listActiveRuns(
  em: EntityManager,
  ownerId: number | undefined,
  limit: number,
): Promise<readonly QueueEntry[]> {
  const rows = await em.execute<(RunRow & { title: string; owner_id: number })[]>(
    `select ${RUN_COLUMNS}, v.title, v.owner_id from video_runs r join videos v on v.id = r.video_id
     where r.state = 'active' and v.deleted_at is null ${ownerId === undefined ? '' : 'and v.owner_id = ?'}
     order by r.started_at desc, r.id desc limit ?`,
    ownerId === undefined ? [limit] : [ownerId, limit],
  );
  return rows.map((row) => ({ title: row.title, ownerId: row.owner_id, run: toRunRecord(row) }));
}

/** How many active runs have a tool at work, and how many wait for one, videos that no run has claimed yet among them. */
export async function countRuns(
  em: EntityManager,
): Promise<{ readonly working: number; readonly waiting: number }> {
  const [counts] = await em.execute<{ working: number; waiting: number }[]>(
    `select count(*) filter (where r.tool_seen_at > now() - ? * interval '1 second')::int as working,
            count(*) filter (where r.tool_seen_at > now() - ? * interval '1 second' is not true)::int as waiting
       from videos v left join video_runs r on r.video_id = v.id and r.state = 'active'
      where v.deleted_at is null and (r.id is not null or v.status = 'pending')`,
    [TOOL_SILENCE_SECONDS, TOOL_SILENCE_SECONDS],
  );
  return counts ?? { working: 0, waiting: 0 };
}

/** Probes and the grids of plans are large and nobody here reads them: they are left out. */
const RUN_COLUMNS =
  'r.video_id, r.workflow_id, r.run_id, r.kind, r.state, r.stage, r.progress_percent, r.done_percent, r.start_percent, ' +
  `r.worked_seconds, r.plan is not null as has_plan, r.plan - 'chunks' as plan, jsonb_array_length(r.plan -> 'chunks') as chunk_count, ` +
  'r.tool_seen_at, r.waiting_for, r.failure, r.started_at';

interface RunRow {
  readonly video_id: number;
  readonly workflow_id: string;
  readonly run_id: string;
  readonly kind: RunKind;
  readonly state: RunState;
  readonly stage: Stage;
  readonly progress_percent: number;
  readonly done_percent: number;
  readonly start_percent: number | null;
  readonly worked_seconds: number;
  readonly has_plan: boolean;
  readonly plan: Omit<PlanRecord, 'chunkCount'> | null;
  readonly chunk_count: number | null;
  readonly tool_seen_at: string | Date | null;
  readonly waiting_for: string | null;
  readonly failure: Failure | null;
  readonly started_at: string | Date;
}

/** The active run of each video, else its newest. */
export async function findCurrentRuns(
  em: EntityManager,
  videoIds: readonly VideoId[],
): Promise<readonly RunRecord[]> {
  const rows = await em.execute<RunRow[]>(
    `select distinct on (r.video_id) ${RUN_COLUMNS} from video_runs r
     where r.video_id in (${videoIds.map(() => '?').join(', ')})
     order by r.video_id, (r.state = 'active') desc, r.id desc`,
    [...videoIds],
  );
  return rows.map(toRunRecord);
}

function toRunRecord(row: RunRow): RunRecord {
  return {
    videoId: row.video_id as VideoId,
    workflowId: row.workflow_id,
    runId: row.run_id,
    kind: row.kind,
    state: row.state,
    stage: row.stage,
    progressPercent: row.progress_percent,
    pace: {
      donePercent: row.done_percent,
      startPercent: row.start_percent,
      workedSeconds: row.worked_seconds,
    },
    hasPlan: row.has_plan,
    plan: row.plan === null ? null : { ...row.plan, chunkCount: row.chunk_count ?? 0 },
    toolSeenAt: row.tool_seen_at === null ? null : new Date(row.tool_seen_at),
    waitingFor: row.waiting_for,
    failure: row.failure,
    startedAt: new Date(row.started_at),
  };
}
