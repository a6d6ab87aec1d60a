import { Migration } from '@mikro-orm/migrations';

/**
 * Reports of reconcile, and what lets it page: names of objects in the order of their bytes, as stores list them, and the rows
 * that wait for something without a look at all others.
 */
export class ReconcileMigration extends Migration {
  override up(): void {
    this.addSql(
      `create table "reconcile_reports" ("id" serial primary key, "workflow_id" text not null, "run_id" text not null, "started_at" timestamptz not null, "finished_at" timestamptz not null default now(), "counts" jsonb not null, "finding_counts" jsonb not null, "findings" jsonb not null)`,
    );
    this.addSql(
      `alter table "reconcile_reports" add constraint "reconcile_reports_run_unique" unique ("run_id")`,
    );
    for (const table of ['pieces', 'video_streams', 'thumbnails', 'pictures', 'own_posters'])
      this.addSql(`alter table "${table}" alter column "object_key" type text collate "C"`);
    this.addSql(`alter table "videos" alter column "stored_name" type text collate "C"`);
    this.addSql(`drop index "videos_pending_index"`);
    this.addSql(
      `create index "videos_unfinished_index" on "videos" ("id") where status in ('pending', 'processing') and deleted_at is null`,
    );
    this.addSql(
      `create index "videos_deleted_index" on "videos" ("id") where deleted_at is not null`,
    );
    this.addSql(
      `create index "video_streams_retired_index" on "video_streams" ("video_id") where retired_at is not null`,
    );
  }
}
