import { findVideoIdByStoredName } from '../db/videos.ts';
import { originalKey } from '../domain/object-keys.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import {
  readManifest,
  type RegisterUploadDeps,
  registerUpload,
  type UploadManifest,
} from './register-upload.ts';
import type { SubmitUpload } from './submit-upload.ts';

export interface RecoverManifestsDeps extends RegisterUploadDeps {
  readonly store: ObjectStore;
  readonly uploads: Pick<SubmitUpload, 'isLive'>;
  readonly now: () => Date;
}

/** A manifest waits this long for an original that is not there; then it can only be of a video that was deleted, or lost. */
const PATIENCE_MS = 7 * 86_400_000;

/** How many manifests came to which end. */
export interface RecoveryReport {
  readonly registered: number;
  /** Their row was there. */
  readonly settled: number;
  /** Set aside, for an operator: they cannot be right, or their original has been gone for a week. */
  readonly dropped: number;
  /** Left for the next time: something was away, as the original may be. */
  readonly postponed: number;
}

/**
 * Finishes the uploads that this host had accepted when a process died or the database was away. For the start of the API and
 * every few minutes after. Idempotent; several processes may do it at once. Never throws for one manifest's sake.
 */
export async function recoverManifests(deps: RecoverManifestsDeps): Promise<RecoveryReport> {
  const counts = { registered: 0, settled: 0, dropped: 0, postponed: 0 };
  await deps.store.sweepIncoming();
  await deps.manifests.sweep();
  await takeUpAbandoned(deps);
  for (const name of await deps.manifests.list()) {
    if (deps.uploads.isLive(name)) continue;
    try {
      counts[await recoverOne(deps, name)] += 1;
    } catch (error) {
      counts.postponed += 1;
      deps.logger.error({ storedName: name, err: error }, 'an upload could not be recovered now');
    }
  }
  return counts;
}

async function recoverOne(deps: RecoverManifestsDeps, name: string): Promise<keyof RecoveryReport> {
  const { manifests, store, logger } = deps;
  const content = await manifests.read(name);
  if (content === undefined) return 'settled';

  const manifest = readManifest(content);
  if (manifest === undefined || manifest.storedName !== name) {
    await manifests.setAside(name);
    logger.error({ storedName: name }, 'a manifest makes no sense and was set aside');
    return 'dropped';
  }
  if ((await deps.database.run((em) => findVideoIdByStoredName(em, name))) !== undefined) {
    await manifests.remove(name);
    return 'settled';
  }

  const original = await store.stat(originalKey(name));
  if (original === undefined) return awaitOriginal(deps, manifest);
  if (original.sizeBytes !== manifest.originalSizeBytes) {
    await manifests.setAside(name);
    logger.error(
      { storedName: name, sizeBytes: original.sizeBytes },
      'the original of an upload has another size; its manifest was set aside',
    );
    return 'dropped';
  }
  await registerUpload(deps, manifest);
  return 'registered';
}

/** Originals that came back after all become videos as if they had never been away. */
async function takeUpAbandoned({ manifests, store }: RecoverManifestsDeps): Promise<void> {
  for (const name of await manifests.listAbandoned()) {
    if ((await store.stat(originalKey(name))) !== undefined) await manifests.takeUp(name);
  }
}

/** Nothing is promised away: an absent original may be back tomorrow, and the manifest is all that is known of its upload. */
async function awaitOriginal(
  { manifests, logger, now }: RecoverManifestsDeps,
  { storedName, ownerId, createdAt }: UploadManifest,
): Promise<keyof RecoveryReport> {
  const isOver = now().getTime() - createdAt.getTime() > PATIENCE_MS;
  if (!isOver) {
    logger.warn(
      { storedName, ownerId },
      'the original of an upload is not there; its manifest waits',
    );
    return 'postponed';
  }
  await manifests.abandon(storedName);
  logger.error(
    { storedName, ownerId },
    'the original of an upload is gone; its manifest was moved to abandoned/',
  );
  return 'dropped';
}
