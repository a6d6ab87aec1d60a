import type { Database } from '../db/database.ts';
import {
  type ReservedBytes,
  reserveForUploads,
  sumExpected,
  sumReserved,
} from '../db/disk-reservations.ts';
import { formatBytes, usableBytes } from '../domain/disk-space.ts';
import { AppError } from '../domain/errors.ts';
import type { Logger } from '../observability/logger.ts';
import type { Disk } from '../storage/disk.ts';

/** An upload of unknown length is promised so much at a time. */
const STEP_BYTES = 16 * 1024 ** 2;
/** Others count what is told here for 45 s. */
const REPEAT_MS = 10_000;

/**
 * Room on the disk of the media for the uploads of this process.
 *
 * An upload is admitted when it fits what is free beside the margin, without what active runs and other open uploads have still
 * to fill, and what videos that are uploaded already are expected to need. What the uploads here have still to fill is told in the database, for runs and other API processes.
 */
export interface UploadSpace {
  /**
   * @param lengthBytes  of the request; undefined: it is asked again whenever another 16 MiB have come
   * @throws `disk-full`, before anything is written
   */
  open(lengthBytes: number | undefined): Promise<SpaceClaim>;
  /** What active runs, and open uploads of all processes, have still to fill. */
  sumReserved(): Promise<ReservedBytes>;
}

/** The room of one upload. Whoever gets it closes it in every ending. */
export interface SpaceClaim {
  /** Before so many bytes are written. @throws `disk-full`, for an upload of unknown length */
  take(bytes: number): Promise<void>;
  close(): void;
}

export interface UploadSpaceDeps {
  readonly database: Database;
  readonly disk: Disk;
  /** Unique among API processes. */
  readonly processName: string;
  readonly logger: Logger;
}

interface Claim {
  grantedBytes: number;
  takenBytes: number;
}

export function createUploadSpace(deps: UploadSpaceDeps): UploadSpace {
  const { database, disk, processName, logger } = deps;
  const claims = new Set<Claim>();
  let byOthers: ReservedBytes = { runs: 0, uploads: 0 };
  let expectedBytes = 0;
  let toldBytes = 0;
  let repeating: NodeJS.Timeout | undefined;

  const reservedBytes = (): number =>
    [...claims].reduce((sum, claim) => sum + claim.grantedBytes - claim.takenBytes, 0);

  /** An upload is taken also while the database is away: then what was known last counts. */
  const askOthers = async (): Promise<ReservedBytes> => {
    try {
      const query = { keepsMedia: true, exceptProcess: processName };
      byOthers = await database.run((em) => sumReserved(em, query));
    } catch (error) {
      logger.warn({ err: error }, 'reserved disk is not known now');
    }
    return byOthers;
  };

  const askExpected = async (mostBytes: number): Promise<number> => {
    try {
      expectedBytes = await database.run((em) => sumExpected(em, mostBytes));
    } catch (error) {
      logger.warn({ err: error }, 'what videos need is not known now');
    }
    return expectedBytes;
  };

  /** Little is not worth a row: the margin is larger. */
  const tell = async (): Promise<void> => {
    const bytes = reservedBytes();
    if (bytes < STEP_BYTES && toldBytes === 0) return;
    try {
      await database.run((em) => reserveForUploads(em, processName, bytes));
      toldBytes = bytes;
    } catch (error) {
      logger.warn({ err: error }, 'open uploads could not be told');
    }
  };

  /** Looks and takes without a pause in between, so that no two uploads take the same room. */
  const grant = async (claim: Claim, least: number, most: number): Promise<void> => {
    const { runs, uploads } = await askOthers();
    const unpromised = async () => usableBytes(await disk.measure()) - runs - uploads;
    const expected = await askExpected(await unpromised());
    const freeBytes = (await unpromised()) - expected - reservedBytes();
    if (least > freeBytes) throw noRoom(least, freeBytes);
    claim.grantedBytes += Math.min(most, freeBytes);
  };

  const close = (claim: Claim): void => {
    if (!claims.delete(claim) || claims.size > 0) return;
    clearInterval(repeating);
    repeating = undefined;
    void tell();
  };

  return {
    async sumReserved() {
      const { runs, uploads } = await askOthers();
      return { runs, uploads: uploads + reservedBytes() };
    },
    async open(lengthBytes) {
      const claim: Claim = { grantedBytes: 0, takenBytes: 0 };
      claims.add(claim);
      try {
        await grant(claim, lengthBytes ?? 1, lengthBytes ?? STEP_BYTES);
      } catch (error) {
        close(claim);
        throw error;
      }
      repeating ??= setInterval(() => void tell(), REPEAT_MS).unref();
      await tell();
      return {
        async take(bytes) {
          const missing = claim.takenBytes + bytes - claim.grantedBytes;
          if (missing > 0) await grant(claim, missing, Math.max(missing, STEP_BYTES));
          claim.takenBytes += bytes;
        },
        close: () => close(claim),
      };
    },
  };
}

function noRoom(neededBytes: number, freeBytes: number): AppError {
  const free = Math.max(0, freeBytes);
  return new AppError('disk-full', {
    detail: `The server has no room for this file now: ${formatBytes(neededBytes)} more are needed, ${formatBytes(free)} are free.`,
    neededBytes,
    freeBytes: free,
  });
}
