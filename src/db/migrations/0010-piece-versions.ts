import { Migration } from '@mikro-orm/migrations';

/** Which version's run made a piece, so that finished work can be made anew beside what is published. */
export class PieceVersionsMigration extends Migration {
  override up(): void {
    this.addSql(`alter table "pieces" add column "version" int not null default 0`);
    this.addSql(`alter table "pieces" drop constraint "pieces_key_unique"`);
    this.addSql(
      `alter table "pieces" add constraint "pieces_key_unique" unique ("video_id", "source_sha256", "name", "recipe", "version")`,
    );
  }
}
