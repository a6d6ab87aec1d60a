import { Migration } from '@mikro-orm/migrations';

/** Storyboards, posters, chosen and added thumbnails, and what people have asked for and is not made yet. */
export class PicturesMigration extends Migration {
  override up(): void {
    this.addSql(
      `alter table "videos" add column "default_thumbnail_seconds" double precision null`,
    );
    this.addSql(`alter table "thumbnails" add column "is_added" boolean not null default false`);
    this.addSql(
      `create table "pictures" ("id" serial primary key, "video_id" int not null, "version" int not null, "kind" text not null, "position" int not null, "object_key" text not null, "size_bytes" bigint not null, "sha256" text not null, "layout" jsonb null, "created_at" timestamptz not null default now(), "retired_at" timestamptz null)`,
    );
    this.addSql(`create index "pictures_object_key_index" on "pictures" ("object_key")`);
    this.addSql(
      `alter table "pictures" add constraint "pictures_position_unique" unique ("video_id", "version", "kind", "position")`,
    );
    this.addSql(
      `alter table "pictures" add constraint "pictures_kind_check" check ("kind" in ('storyboard', 'poster'))`,
    );
    this.addSql(
      `alter table "pictures" add constraint "pictures_size_bytes_check" check (size_bytes > 0)`,
    );
    this.addSql(
      `alter table "pictures" add constraint "pictures_video_id_foreign" foreign key ("video_id") references "videos" ("id") on delete cascade`,
    );
    this.addSql(
      `create table "own_posters" ("id" serial primary key, "video_id" int not null, "object_key" text not null, "size_bytes" bigint not null, "sha256" text not null, "created_at" timestamptz not null default now())`,
    );
    this.addSql(
      `alter table "own_posters" add constraint "own_posters_video_unique" unique ("video_id")`,
    );
    this.addSql(`create index "own_posters_object_key_index" on "own_posters" ("object_key")`);
    this.addSql(
      `alter table "own_posters" add constraint "own_posters_size_bytes_check" check (size_bytes > 0)`,
    );
    this.addSql(
      `alter table "own_posters" add constraint "own_posters_video_id_foreign" foreign key ("video_id") references "videos" ("id") on delete cascade`,
    );
    this.addSql(
      `create table "picture_wishes" ("id" serial primary key, "video_id" int not null, "kind" text not null, "at_seconds" double precision not null, "upload_key" text null, "unended_starts" int not null default 0, "failure" jsonb null, "created_at" timestamptz not null default now())`,
    );
    this.addSql(
      `alter table "picture_wishes" add constraint "picture_wishes_key_unique" unique ("video_id", "kind", "at_seconds")`,
    );
    this.addSql(
      `create index "picture_wishes_upload_key_index" on "picture_wishes" ("upload_key") where upload_key is not null`,
    );
    this.addSql(
      `create index "picture_wishes_pending_index" on "picture_wishes" ("created_at") where failure is null`,
    );
    this.addSql(
      `alter table "picture_wishes" add constraint "picture_wishes_kind_check" check ("kind" in ('thumbnail', 'poster', 'own-poster'))`,
    );
    this.addSql(
      `alter table "picture_wishes" add constraint "picture_wishes_video_id_foreign" foreign key ("video_id") references "videos" ("id") on delete cascade`,
    );
    this.addSql(`alter table "pieces" drop constraint "pieces_kind_check"`);
    this.addSql(
      `alter table "pieces" add constraint "pieces_kind_check" check ("kind" in ('copy', 'chunk', 'audio', 'rendition', 'thumbnail', 'storyboard'))`,
    );
  }
}
