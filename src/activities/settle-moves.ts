import { findMovableObjects } from '../db/named-objects.ts';
import { failMove, finishMoves, listSwitched, type SwitchedMove } from '../db/object-moves.ts';
import { endMigration, findOpenMigration } from '../db/storage-migrations.ts';
import type { Finding } from '../domain/reconcile-report.ts';
import type { ActivityDeps } from './deps.ts';
import { eachLimited } from './each-limited.ts';
import { placesOf, requirePlace, undoHalfMoved, WAS_ENDED } from './migrate-storage.ts';

/** Questions to the store at a time. */
const ASKED_AT_ONCE = 8;

/** What is left after that is for the next time. */
const SLICE_MS = 20_000;
const PAGE = 200;

/** What was cleared up, and what was found to be wrong. */
export interface SettledMoves {
  readonly objectsDeleted: number;
  readonly findings: readonly Finding[];
}

/**
 * Finishes what migrations leave: old copies go when their grace is over, and what a migration that was ended from outside has half
 * done is undone.
 */
export async function settleMoves(deps: ActivityDeps): Promise<SettledMoves> {
  await closeAbandoned(deps);
  await undoHalfMoved(deps);
  const before = new Date(Date.now() - deps.settings.oldVersionGraceSeconds * 1000);
  const until = performance.now() + SLICE_MS;
  let objectsDeleted = 0;
  const findings: Finding[] = [];
  for (let after = ''; performance.now() < until;) {
    const cursor = { places: placesOf(deps), after, limit: PAGE };
    const moves = await deps.database.run((em) => listSwitched(em, before, cursor));
    const last = moves.at(-1);
    if (last === undefined) break;
    after = last.objectKey;
    for (const [place, ofPlace] of Map.groupBy(moves, ({ fromPlace }) => fromPlace)) {
      const { keys, lost } = await splitByCopy(deps, ofPlace);
      await deps.crashPoint?.('old-copies-checked');
      await requirePlace(deps, place).store.delete(keys);
      await deps.crashPoint?.('old-copies-deleted');
      await deps.database.run((em) => finishMoves(em, keys));
      objectsDeleted += keys.length;
      findings.push(...lost);
    }
  }
  if (objectsDeleted > 0)
    deps.logger.info({ objects: objectsDeleted }, 'old copies of moved objects removed');
  return { objectsDeleted, findings };
}

async function closeAbandoned(deps: ActivityDeps): Promise<void> {
  const open = await deps.database.run(findOpenMigration);
  if (open === undefined) return;
  const latest = await deps.runDescriptions.latestRun(open.identity.workflowId);
  if (latest?.state === 'open') return;
  deps.logger.warn({ migrationId: open.id }, 'migration of the storage was ended from outside');
  const { runId } = open.identity;
  await deps.database.run((em) => endMigration(em, open.id, { ...WAS_ENDED, runId }));
}

/**
 * Looks once more whether the new store has what was moved. What somebody has taken away from there counts in the old one again.
 * @returns `keys`: old copies that may go, those of objects that nobody names any more among them
 */
async function splitByCopy(
  deps: ActivityDeps,
  moves: readonly SwitchedMove[],
): Promise<{ readonly keys: readonly string[]; readonly lost: readonly Finding[] }> {
  const allKeys = moves.map(({ objectKey }) => objectKey);
  const named = await deps.database.run((em) => findMovableObjects(em, allKeys));
  const keys: string[] = [];
  const lost: Finding[] = [];
  await eachLimited(moves, ASKED_AT_ONCE, async ({ objectKey, sizeBytes, toPlace }) => {
    const wanted = named.get(objectKey);
    const facts = wanted && (await requirePlace(deps, toPlace).store.stat(objectKey));
    if (wanted === undefined || facts?.sizeBytes === (wanted.sizeBytes ?? sizeBytes)) {
      keys.push(objectKey);
      return;
    }
    const code = 'storage-object-missing';
    const detail = 'It was moved and is gone from the new store; the old one has it still.';
    await deps.database.run((em) => failMove(em, objectKey, 'switched', { code, detail }));
    lost.push({ code, videoId: wanted.videoId, subject: objectKey, detail });
  });
  return { keys, lost };
}
