import { Migration } from '@mikro-orm/migrations';

/** How far each step of a run is and what it weighs, and how fast the run has been. */
export class PaceMigration extends Migration {
  override up(): void {
    this.addSql(
      `alter table "piece_attempts" add column "weight" double precision not null default 0, add column "fraction" double precision not null default 0`,
    );
    this.addSql(
      `alter table "video_runs" add column "done_percent" double precision not null default 0, add column "start_percent" double precision null, add column "worked_seconds" double precision not null default 0`,
    );
  }
}
