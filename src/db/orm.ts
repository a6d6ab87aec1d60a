import { Migrator } from '@mikro-orm/migrations';
import { defineConfig, type EntityManager, MikroORM } from '@mikro-orm/postgresql';
import { giveBackBrokenConnections } from './broken-connections.ts';
import { ApiKey } from './entities/api-key.ts';
import { Category } from './entities/category.ts';
import { Comment } from './entities/comment.ts';
import { OwnPoster, Picture, PictureWish } from './entities/picture.ts';
import { Piece, PieceAttempt } from './entities/piece.ts';
import { Playlist, PlaylistItem } from './entities/playlist.ts';
import { ReconcileReport } from './entities/reconcile-report.ts';
import { Session } from './entities/session.ts';
import { ObjectMove, StorageMigration } from './entities/storage-migration.ts';
import { Thumbnail } from './entities/thumbnail.ts';
import { User } from './entities/user.ts';
import { VideoRun } from './entities/video-run.ts';
import { VideoStream } from './entities/video-stream.ts';
import { Video } from './entities/video.ts';
import { InitialMigration } from './migrations/0001-initial.ts';
import { FragmentsMigration } from './migrations/0002-fragments.ts';
import { PicturesMigration } from './migrations/0003-pictures.ts';
import { PaceMigration } from './migrations/0004-pace.ts';
import { WishCountsMigration } from './migrations/0005-wish-counts.ts';
import { RetentionMigration } from './migrations/0006-retention.ts';
import { ReservedDiskMigration } from './migrations/0007-reserved-disk.ts';
import { StorageMigrationsMigration } from './migrations/0008-storage-migrations.ts';
import { ReconcileMigration } from './migrations/0009-reconcile.ts';
import { PieceVersionsMigration } from './migrations/0010-piece-versions.ts';

const ENTITIES = [
  User,
  ApiKey,
  Session,
  Category,
  Video,
  VideoRun,
  VideoStream,
  Thumbnail,
  Picture,
  OwnPoster,
  PictureWish,
  Piece,
  PieceAttempt,
  ReconcileReport,
  Playlist,
  PlaylistItem,
  Comment,
  StorageMigration,
  ObjectMove,
];

export interface OrmOptions {
  readonly databaseUrl: string;
  /** Connections that this process may hold. */
  readonly poolSize?: number;
  /** Statements may take as long as they need, as migrations do. */
  readonly patient?: boolean;
}

/** Of `pg`, so that a server that is stuck, or a cable that was cut, is an error soon and not a hang. */
const CONNECTION_LIMITS = {
  /** For a new connection, and for one of the pool to become free. */
  connectionTimeoutMillis: 5_000,
  keepAlive: true,
};
const STATEMENT_LIMITS = {
  statement_timeout: 30_000,
  lock_timeout: 8_000,
  /** Where the server cannot even say that the time is over. */
  query_timeout: 35_000,
};

/** Opens a pool on the product's database. Nothing is migrated; the caller closes it. */
export async function openOrm({
  databaseUrl,
  poolSize = 8,
  patient = false,
}: OrmOptions): Promise<MikroORM> {
  return MikroORM.init(
    defineConfig({
      clientUrl: databaseUrl,
      entities: ENTITIES,
      extensions: [Migrator],
      forceUtcTimezone: true,
      pool: { min: 0, max: poolSize },
      driverOptions: {
        ...CONNECTION_LIMITS,
        ...(patient ? {} : STATEMENT_LIMITS),
        onPoolCreated: giveBackBrokenConnections,
      },
      migrations: {
        migrationsList: [
          { name: '0001-initial', class: InitialMigration },
          { name: '0002-fragments', class: FragmentsMigration },
          { name: '0003-pictures', class: PicturesMigration },
          { name: '0004-pace', class: PaceMigration },
          { name: '0005-wish-counts', class: WishCountsMigration },
          { name: '0006-retention', class: RetentionMigration },
          { name: '0007-reserved-disk', class: ReservedDiskMigration },
          { name: '0008-storage-migrations', class: StorageMigrationsMigration },
          { name: '0009-reconcile', class: ReconcileMigration },
          { name: '0010-piece-versions', class: PieceVersionsMigration },
        ],
        snapshot: false,
        silent: true,
      },
    }),
  );
}

export type { EntityManager, MikroORM };
