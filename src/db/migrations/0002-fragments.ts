import { Migration } from '@mikro-orm/migrations';

/** Where players find the fragments of each rendition; null for files that were not packaged. */
export class FragmentsMigration extends Migration {
  override up(): void {
    this.addSql(`alter table "video_streams" add column "fragments" jsonb null`);
  }
}
