import { Migration } from '@mikro-orm/migrations';

/** Moves of objects from one store to another: which are asked for, and where each object stands. */
export class StorageMigrationsMigration extends Migration {
  override up(): void {
    this.addSql(
      `create table "storage_migrations" ("id" serial primary key, "workflow_id" text not null, "run_id" text not null, "from_name" text not null, "to_name" text not null, "from_place" text not null, "to_place" text not null, "filter" jsonb not null, "bytes_per_second" bigint null, "state" text not null default 'moving', "waiting_for" text null, "failure" jsonb null, "finished_objects" int not null default 0, "finished_bytes" bigint not null default 0, "started_at" timestamptz not null default now(), "ended_at" timestamptz null)`,
    );
    this.addSql(
      `alter table "storage_migrations" add constraint "storage_migrations_from_name_check" check ("from_name" in ('local', 'spaces', 'old-spaces'))`,
    );
    this.addSql(
      `alter table "storage_migrations" add constraint "storage_migrations_to_name_check" check ("to_name" in ('local', 'spaces', 'old-spaces'))`,
    );
    this.addSql(
      `alter table "storage_migrations" add constraint "storage_migrations_state_check" check ("state" in ('moving', 'paused', 'completed', 'cancelled', 'failed'))`,
    );
    this.addSql(
      `create unique index "storage_migrations_one_open" on "storage_migrations" ((true)) where state in ('moving', 'paused')`,
    );
    this.addSql(
      `create table "object_moves" ("object_key" text not null, "migration_id" int not null, "size_bytes" bigint not null, "state" text not null default 'waiting', "attempts" int not null default 0, "failure" jsonb null, "switched_at" timestamptz null, primary key ("object_key"))`,
    );
    this.addSql(
      `alter table "object_moves" add constraint "object_moves_state_check" check ("state" in ('waiting', 'copying', 'switched', 'failed'))`,
    );
    this.addSql(
      `create index "object_moves_state_index" on "object_moves" ("migration_id", "state", "object_key")`,
    );
    this.addSql(
      `create index "object_moves_switched_index" on "object_moves" ("switched_at") where state = 'switched'`,
    );
    this.addSql(
      `alter table "object_moves" add constraint "object_moves_migration_id_foreign" foreign key ("migration_id") references "storage_migrations" ("id") on delete cascade`,
    );
  }
}
