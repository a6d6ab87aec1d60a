import { Migration } from '@mikro-orm/migrations';

/** How often the encoder was at fault with a picture that was asked for, and since when the platform is. */
export class WishCountsMigration extends Migration {
  override up(): void {
    this.addSql(
      `alter table "picture_wishes" add column "encoder_faults" int not null default 0, add column "platform_fault_since" timestamptz null`,
    );
  }
}
