import type { Database } from '../db/database.ts';
import { type ReservedBytes, sumReserved } from '../db/disk-reservations.ts';
import { withoutOwnerOrWork } from '../db/pieces.ts';
import {
  type BytesByKind,
  listUsageByOwner,
  type OwnerUsage,
  sumBytesByKind,
} from '../db/storage-usage.ts';
import { type DiskSpace, usableBytes } from '../domain/disk-space.ts';
import { isOriginalKey, MEDIA_PREFIX } from '../domain/object-keys.ts';
import type { Disk } from '../storage/disk.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { UploadSpace } from './upload-space.ts';
import { requireAdmin, type Viewer } from './viewer.ts';

export interface StorageReportDeps {
  readonly database: Database;
  readonly store: ObjectStore;
  /** Those of this host that uploads and runs fill, by what they are there for. */
  readonly disks: readonly ReportedDisk[];
  /** Undefined where media lie in object storage. */
  readonly space: UploadSpace | undefined;
  readonly memberQuotaBytes: number | undefined;
  /** Younger objects may be about to be entered. */
  readonly graceSeconds: number;
  readonly now: () => Date;
}

export interface ReportedDisk {
  readonly name: 'media' | 'work';
  readonly disk: Disk;
}

/** Where the bytes are, and how many more there may be. */
export interface StorageReport {
  readonly bytesByKind: BytesByKind;
  /** Those who take most first. */
  readonly owners: readonly OwnerUsage[];
  readonly memberQuotaBytes: number | null;
  readonly disks: readonly (DiskSpace & {
    readonly name: string;
    readonly folder: string;
    /** What may still be promised. */
    readonly usableBytes: number;
  })[];
  /** What active runs and open uploads have still to fill. */
  readonly reservedBytes: ReservedBytes;
  readonly orphans: OrphanCount;
}

/** Objects that no row names and no run can come to name. */
export interface OrphanCount {
  /** Reconcile removes them. */
  readonly made: Count;
  /** Reconcile tells of them, and never removes one. */
  readonly originals: Count;
  /** False where there were too many objects to look at all of them. */
  readonly isComplete: boolean;
}

interface Count {
  objects: number;
  bytes: number;
}

const MOST_OWNERS = 100;
const BATCH = 500;
/** A store of a million objects would be listed for minutes. */
const LONGEST_LOOK_MS = 20_000;

/** @throws `permission-denied` */
export type ReadStorageReport = (viewer: Viewer, signal: AbortSignal) => Promise<StorageReport>;

export function createStorageReport(deps: StorageReportDeps): ReadStorageReport {
  return async (viewer, signal) => {
    requireAdmin(viewer);
    return report(deps, signal);
  };
}

async function report(deps: StorageReportDeps, signal: AbortSignal): Promise<StorageReport> {
  const { database, space } = deps;
  const usage = await database.run(async (em) => ({
    bytesByKind: await sumBytesByKind(em),
    owners: await listUsageByOwner(em, MOST_OWNERS),
  }));
  return {
    ...usage,
    memberQuotaBytes: deps.memberQuotaBytes ?? null,
    disks: await Promise.all(deps.disks.map(describeDisk)),
    reservedBytes: await (space === undefined
      ? database.run((em) => sumReserved(em, { keepsMedia: false }))
      : space.sumReserved()),
    orphans: await countOrphans(deps, signal),
  };
}

async function describeDisk({ name, disk }: ReportedDisk) {
  const space = await disk.measure();
  return { name, folder: disk.folder, ...space, usableBytes: Math.max(0, usableBytes(space)) };
}

async function countOrphans(deps: StorageReportDeps, signal: AbortSignal): Promise<OrphanCount> {
  const { store, database, graceSeconds, now } = deps;
  const before = now().getTime() - graceSeconds * 1000;
  const giveUpAt = performance.now() + LONGEST_LOOK_MS;
  const made: Count = { objects: 0, bytes: 0 };
  const originals: Count = { objects: 0, bytes: 0 };
  let batch = new Map<string, number>();
  const flush = async (): Promise<void> => {
    const keys = [...batch.keys()];
    for (const key of await database.run((em) => withoutOwnerOrWork(em, keys))) {
      const count = isOriginalKey(key) ? originals : made;
      count.objects += 1;
      count.bytes += batch.get(key) ?? 0;
    }
    batch = new Map();
  };
  let isComplete = true;
  for await (const { key, sizeBytes, modifiedAt } of store.list(MEDIA_PREFIX)) {
    signal.throwIfAborted();
    if (performance.now() > giveUpAt) {
      isComplete = false;
      break;
    }
    if (modifiedAt.getTime() < before) batch.set(key, sizeBytes);
    if (batch.size >= BATCH) await flush();
  }
  await flush();
  return { made, originals, isComplete };
}
