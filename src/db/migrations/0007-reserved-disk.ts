import { Migration } from '@mikro-orm/migrations';

/** Disk that active runs, and the uploads that an API process is receiving, have still to fill. */
export class ReservedDiskMigration extends Migration {
  override up(): void {
    this.addSql(`alter table "video_runs" add column "reserved_bytes" bigint null`);
    this.addSql(
      `create table "open_uploads" ("process" text not null, "reserved_bytes" bigint not null, "seen_at" timestamptz not null default now(), primary key ("process"))`,
    );
  }
}
