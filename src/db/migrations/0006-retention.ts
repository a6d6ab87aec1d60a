import { Migration } from '@mikro-orm/migrations';

/** What each run reads, and what has become of originals that are not kept. */
export class RetentionMigration extends Migration {
  override up(): void {
    this.addSql(
      `alter table "videos" add column "original_removal_due_at" timestamptz null, add column "original_removed_at" timestamptz null`,
    );
    this.addSql(
      `create index "videos_original_removal_index" on "videos" ("id") where original_removal_due_at is not null and original_removed_at is null`,
    );
    this.addSql(`alter table "video_runs" add column "source" jsonb null`);
    this.addSql(
      `update "video_runs" set "source" = jsonb_build_object('kind', 'original', 'objectKey', 'videos/original/' || v.stored_name, 'sizeBytes', v.original_size_bytes, 'sha256', v.original_sha256) from "videos" v where v.id = "video_runs"."video_id"`,
    );
    this.addSql(`alter table "video_runs" alter column "source" set not null`);
  }
}
