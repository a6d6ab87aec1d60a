import {
  listNamedObjects,
  type NamedObject,
  stillNamed,
  withoutVideo,
} from '../db/named-objects.ts';
import { findLeftovers } from '../db/pieces.ts';
import { compareObjects } from '../domain/compare-objects.ts';
import { isMadeKey, isOriginalKey, MEDIA_PREFIX } from '../domain/object-keys.ts';
import {
  type Finding,
  type ReconcilePageResult,
  toPageResult,
} from '../domain/reconcile-report.ts';
import type { ListedObject, ObjectStore } from '../storage/object-store.ts';
import type { ReconcilePage } from './contracts.ts';
import type { ActivityDeps } from './deps.ts';
import { eachLimited } from './each-limited.ts';
import { settleMoves } from './settle-moves.ts';

/** Questions to the store at a time. */
const ASKED_AT_ONCE = 8;
/** Keys in one line of the log. */
const MOST_LOGGED = 20;

/**
 * Holds what the store lists against what rows name, a page of keys at a time. Before the first one, what was moved between
 * stores is cleared up.
 *
 * What no row, no run and no move owns goes once it is old enough: a crash left it between storing and entering. Never an original: that
 * is told. What rows name and is not there, or of another size, is told too, and nothing is done about it: it may come back with
 * a volume or a backup.
 */
export async function checkStoredObjects(
  deps: ActivityDeps,
  { after, limit }: ReconcilePage,
): Promise<ReconcilePageResult> {
  const settled = after === null ? await settleMoves(deps) : undefined;
  const from = after === null ? null : String(after);
  const listed = await listPage(deps.store, from, limit);
  const named = await deps.database.run((em) => listNamedObjects(em, { after: from, limit }));
  const { end, unnamed, unsound } = compareObjects(listed, named, limit);
  const before = Date.now() - deps.settings.reconcileGraceSeconds * 1000;
  const old = unnamed.filter(({ modifiedAt }) => modifiedAt.getTime() < before);
  const objectsDeleted = (await deleteLeftovers(deps, old)) + (settled?.objectsDeleted ?? 0);
  const findings = [
    ...(settled?.findings ?? []),
    ...(await findStrayOriginals(deps, old)),
    ...(await confirmUnsound(deps, unsound)),
  ];
  return toPageResult(end, { objectsSeen: listed.length, objectsDeleted }, findings);
}

async function listPage(
  store: ObjectStore,
  after: string | null,
  limit: number,
): Promise<readonly ListedObject[]> {
  const page: ListedObject[] = [];
  const options = after === null ? {} : { after };
  for await (const object of store.list(MEDIA_PREFIX, options)) {
    page.push(object);
    if (page.length === limit) break;
  }
  return page;
}

/** Whether somebody owns it is asked once more, right before. */
async function deleteLeftovers(
  deps: ActivityDeps,
  objects: readonly ListedObject[],
): Promise<number> {
  const keys = objects.map(({ key }) => key).filter(isMadeKey);
  const free = await deps.database.run((em) => findLeftovers(em, keys));
  await deps.store.delete(free);
  if (free.length > 0)
    deps.logger.info(
      { objects: free.length, keys: free.slice(0, MOST_LOGGED) },
      'stored files without an owner removed',
    );
  return free.length;
}

/** A deletion may have taken object and row since the page was listed, so the store is asked again. */
async function findStrayOriginals(
  deps: ActivityDeps,
  objects: readonly ListedObject[],
): Promise<readonly Finding[]> {
  const keys = objects.map(({ key }) => key).filter(isOriginalKey);
  const findings: Finding[] = [];
  const stray = await deps.database.run((em) => withoutVideo(em, keys));
  await eachLimited(stray, ASKED_AT_ONCE, async (key) => {
    const facts = await deps.store.stat(key);
    if (facts === undefined) return;
    findings.push({
      code: 'original-without-video',
      videoId: null,
      subject: key,
      detail: `No video and no manifest tells of these ${facts.sizeBytes} bytes. Left alone.`,
    });
  });
  return findings;
}

/** The store may have got it, or the row may have gone, since the page was listed. */
async function confirmUnsound(
  deps: ActivityDeps,
  objects: readonly NamedObject[],
): Promise<readonly Finding[]> {
  const foundBytes = new Map<string, number | undefined>();
  await eachLimited(objects, ASKED_AT_ONCE, async ({ key, sizeBytes }) => {
    const facts = await deps.store.stat(key);
    if (facts?.sizeBytes !== sizeBytes) foundBytes.set(key, facts?.sizeBytes);
  });
  const candidates = objects.filter(({ key }) => foundBytes.has(key));
  const unsound = await deps.database.run((em) => stillNamed(em, candidates));
  const findings = unsound.map((object) => describe(object, foundBytes.get(object.key)));
  if (findings.length > 0)
    deps.logger.error(
      {
        errorCode: findings[0]?.code,
        objects: findings.length,
        keys: findings.slice(0, MOST_LOGGED).map(({ subject }) => subject),
      },
      'stored files are missing or of another size',
    );
  return findings;
}

function describe(
  { key, sizeBytes, videoId, liveVersion }: NamedObject,
  found: number | undefined,
): Finding {
  const what = found === undefined ? 'It is gone' : `It has ${found} bytes`;
  const whose =
    liveVersion === null
      ? 'nothing published needs it'
      : `version ${liveVersion} is published and needs it`;
  return {
    code: isOriginalKey(key) ? 'source-missing' : 'storage-object-missing',
    videoId,
    subject: key,
    detail: isOriginalKey(key)
      ? `${what}, not ${sizeBytes} bytes; it is the original.`
      : `${what}, not ${sizeBytes} bytes; ${whose}.`,
  };
}
