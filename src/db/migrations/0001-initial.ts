import { Migration } from '@mikro-orm/migrations';

/** The first shape of the database: people, videos and their runs, the work ledger, and what people make around videos. */
export class InitialMigration extends Migration {
  override up(): void {
    this.addSql(
      `create table "categories" ("id" serial primary key, "name" text not null, "created_at" timestamptz not null default now())`,
    );
    this.addSql(`create unique index "categories_name_unique" on "categories" (lower("name"))`);
    this.addSql(
      `create table "users" ("id" serial primary key, "email" text not null, "password_hash" text null, "role" text not null, "created_at" timestamptz not null default now())`,
    );
    this.addSql(`alter table "users" add constraint "users_email_unique" unique ("email")`);
    this.addSql(
      `alter table "users" add constraint "users_email_check" check (email = lower(email))`,
    );
    this.addSql(
      `alter table "users" add constraint "users_role_check" check ("role" in ('admin', 'member'))`,
    );
    this.addSql(
      `create table "sessions" ("id" serial primary key, "user_id" int not null, "api_key_id" int null, "kind" text not null, "token_hash" text not null, "created_at" timestamptz not null default now(), "expires_at" timestamptz not null, "last_seen_at" timestamptz null)`,
    );
    this.addSql(`create index "sessions_user_index" on "sessions" ("user_id")`);
    this.addSql(`create index "sessions_api_key_index" on "sessions" ("api_key_id")`);
    this.addSql(
      `alter table "sessions" add constraint "sessions_token_hash_unique" unique ("token_hash")`,
    );
    this.addSql(
      `alter table "sessions" add constraint "sessions_kind_check" check ("kind" in ('browser', 'login-link'))`,
    );
    this.addSql(
      `create table "playlists" ("id" serial primary key, "owner_id" int not null, "title" text not null, "description" text not null default '', "created_at" timestamptz not null default now(), "updated_at" timestamptz not null default now())`,
    );
    this.addSql(`create index "playlists_owner_index" on "playlists" ("owner_id")`);
    this.addSql(
      `create table "api_keys" ("id" serial primary key, "owner_id" int not null, "public_id" text not null, "secret_hash" text not null, "name" text not null, "scopes" text[] not null, "created_at" timestamptz not null default now(), "expires_at" timestamptz null, "revoked_at" timestamptz null, "last_used_at" timestamptz null)`,
    );
    this.addSql(`create index "api_keys_owner_index" on "api_keys" ("owner_id")`);
    this.addSql(
      `alter table "api_keys" add constraint "api_keys_public_id_unique" unique ("public_id")`,
    );
    this.addSql(
      `create table "videos" ("id" serial primary key, "owner_id" int not null, "title" text not null, "description" text not null default '', "category_id" int null, "tags" text[] not null, "visibility" text not null default 'private', "profile" text not null, "priority" text not null default 'normal', "thumbnail_timestamps" jsonb null, "status" text not null default 'pending', "stored_name" text not null, "original_file_name" text not null, "original_content_type" text not null, "original_size_bytes" bigint not null, "original_sha256" text not null, "original_available" boolean not null default true, "duration_seconds" double precision null, "width_px" int null, "height_px" int null, "frame_rate" double precision null, "version" int null, "last_version" int not null default 0, "skipped" jsonb not null default '[]', "warnings" jsonb not null default '[]', "failure" jsonb null, "created_at" timestamptz not null default now(), "updated_at" timestamptz not null default now(), "completed_at" timestamptz null, "deleted_at" timestamptz null)`,
    );
    this.addSql(`create index "videos_category_index" on "videos" ("category_id")`);
    this.addSql(
      `alter table "videos" add constraint "videos_stored_name_unique" unique ("stored_name")`,
    );
    this.addSql(`create index "videos_owner_index" on "videos" ("owner_id", "id")`);
    this.addSql(
      `create index "videos_pending_index" on "videos" ("created_at") where status = 'pending' and deleted_at is null`,
    );
    this.addSql(
      `alter table "videos" add constraint "videos_original_size_bytes_check" check (original_size_bytes > 0)`,
    );
    this.addSql(
      `alter table "videos" add constraint "videos_visibility_check" check ("visibility" in ('private', 'unlisted', 'public'))`,
    );
    this.addSql(
      `alter table "videos" add constraint "videos_profile_check" check ("profile" in ('ladder', '720p'))`,
    );
    this.addSql(
      `alter table "videos" add constraint "videos_priority_check" check ("priority" in ('normal', 'bulk'))`,
    );
    this.addSql(
      `alter table "videos" add constraint "videos_status_check" check ("status" in ('pending', 'processing', 'completed', 'failed', 'cancelled'))`,
    );
    this.addSql(
      `create table "thumbnails" ("id" serial primary key, "video_id" int not null, "version" int not null, "position" int not null, "timestamp_seconds" double precision not null, "object_key" text not null, "size_bytes" bigint not null, "sha256" text not null, "is_default" boolean not null, "retired_at" timestamptz null)`,
    );
    this.addSql(`create index "thumbnails_object_key_index" on "thumbnails" ("object_key")`);
    this.addSql(
      `alter table "thumbnails" add constraint "thumbnails_position_unique" unique ("video_id", "version", "position")`,
    );
    this.addSql(
      `create unique index "thumbnails_one_default" on "thumbnails" ("video_id", "version") where is_default`,
    );
    this.addSql(
      `create table "playlist_items" ("id" serial primary key, "playlist_id" int not null, "video_id" int not null, "position" int not null)`,
    );
    this.addSql(`create index "playlist_items_video_index" on "playlist_items" ("video_id")`);
    this.addSql(
      `alter table "playlist_items" add constraint "playlist_items_video_unique" unique ("playlist_id", "video_id")`,
    );
    this.addSql(
      `alter table "playlist_items" add constraint "playlist_items_position_unique" unique ("playlist_id", "position") deferrable initially deferred`,
    );
    this.addSql(
      `alter table "playlist_items" add constraint "playlist_items_position_check" check (position >= 0)`,
    );
    this.addSql(
      `create table "pieces" ("id" serial primary key, "video_id" int not null, "source_sha256" text not null, "name" text not null, "kind" text not null, "recipe" text not null, "object_key" text not null, "size_bytes" bigint not null, "sha256" text not null, "tool_version" text not null, "facts" jsonb not null, "created_at" timestamptz not null default now())`,
    );
    this.addSql(`create index "pieces_object_key_index" on "pieces" ("object_key")`);
    this.addSql(
      `alter table "pieces" add constraint "pieces_key_unique" unique ("video_id", "source_sha256", "name", "recipe")`,
    );
    this.addSql(
      `alter table "pieces" add constraint "pieces_size_bytes_check" check (size_bytes > 0)`,
    );
    this.addSql(
      `alter table "pieces" add constraint "pieces_kind_check" check ("kind" in ('copy', 'chunk', 'audio', 'rendition', 'thumbnail'))`,
    );
    this.addSql(
      `create table "comments" ("id" serial primary key, "video_id" int not null, "author_id" int not null, "text" text not null, "created_at" timestamptz not null default now(), "updated_at" timestamptz not null default now())`,
    );
    this.addSql(`create index "comments_author_index" on "comments" ("author_id")`);
    this.addSql(`create index "comments_video_index" on "comments" ("video_id", "id")`);
    this.addSql(
      `create table "video_runs" ("id" serial primary key, "video_id" int not null, "workflow_id" text not null, "run_id" text not null, "kind" text not null, "state" text not null default 'active', "version" int not null, "settings" jsonb not null, "media_info" jsonb null, "plan" jsonb null, "stage" text not null default 'probe', "progress_percent" double precision not null default 0, "tool_seen_at" timestamptz null, "waiting_for" text null, "warnings" jsonb not null default '[]', "failure" jsonb null, "started_at" timestamptz not null default now(), "ended_at" timestamptz null)`,
    );
    this.addSql(`create index "video_runs_video_index" on "video_runs" ("video_id", "id")`);
    this.addSql(
      `create unique index "video_runs_one_active" on "video_runs" ("video_id") where state = 'active'`,
    );
    this.addSql(
      `alter table "video_runs" add constraint "video_runs_identity_unique" unique ("workflow_id", "run_id")`,
    );
    this.addSql(
      `alter table "video_runs" add constraint "video_runs_kind_check" check ("kind" in ('upload', 'retry', 'reprocess'))`,
    );
    this.addSql(
      `alter table "video_runs" add constraint "video_runs_state_check" check ("state" in ('active', 'completed', 'failed', 'cancelled', 'lost'))`,
    );
    this.addSql(
      `alter table "video_runs" add constraint "video_runs_stage_check" check ("stage" in ('waiting-for-slot', 'waiting-for-disk', 'waiting-for-memory', 'waiting-for-platform', 'probe', 'convert', 'compress', 'ladder', 'thumbnails', 'publish'))`,
    );
    this.addSql(
      `create table "piece_attempts" ("id" serial primary key, "video_run_id" int not null, "name" text not null, "unended_starts" int not null default 0, "encoder_faults" int not null default 0, "kills" int not null default 0, "platform_fault_since" timestamptz null)`,
    );
    this.addSql(
      `alter table "piece_attempts" add constraint "piece_attempts_key_unique" unique ("video_run_id", "name")`,
    );
    this.addSql(
      `create table "video_streams" ("id" serial primary key, "video_id" int not null, "version" int not null, "output" text not null, "object_key" text not null, "size_bytes" bigint not null, "sha256" text not null, "width_px" int not null, "height_px" int not null, "bitrate_bps" int not null, "duration_seconds" double precision not null, "codecs" text not null, "created_at" timestamptz not null default now(), "retired_at" timestamptz null)`,
    );
    this.addSql(`create index "video_streams_object_key_index" on "video_streams" ("object_key")`);
    this.addSql(
      `alter table "video_streams" add constraint "video_streams_output_unique" unique ("video_id", "version", "output")`,
    );
    this.addSql(
      `alter table "video_streams" add constraint "video_streams_size_bytes_check" check (size_bytes > 0)`,
    );
    this.addSql(
      `alter table "video_streams" add constraint "video_streams_output_check" check ("output" in ('240p', '360p', '480p', '720p', '1080p', 'compressed', 'processed'))`,
    );
    this.addSql(
      `alter table "sessions" add constraint "sessions_user_id_foreign" foreign key ("user_id") references "users" ("id") on delete cascade`,
    );
    this.addSql(
      `alter table "sessions" add constraint "sessions_api_key_id_foreign" foreign key ("api_key_id") references "api_keys" ("id") on delete cascade`,
    );
    this.addSql(
      `alter table "playlists" add constraint "playlists_owner_id_foreign" foreign key ("owner_id") references "users" ("id") on delete cascade`,
    );
    this.addSql(
      `alter table "api_keys" add constraint "api_keys_owner_id_foreign" foreign key ("owner_id") references "users" ("id") on delete cascade`,
    );
    this.addSql(
      `alter table "videos" add constraint "videos_owner_id_foreign" foreign key ("owner_id") references "users" ("id") on delete restrict`,
    );
    this.addSql(
      `alter table "videos" add constraint "videos_category_id_foreign" foreign key ("category_id") references "categories" ("id") on delete set null`,
    );
    this.addSql(
      `alter table "thumbnails" add constraint "thumbnails_video_id_foreign" foreign key ("video_id") references "videos" ("id") on delete cascade`,
    );
    this.addSql(
      `alter table "playlist_items" add constraint "playlist_items_playlist_id_foreign" foreign key ("playlist_id") references "playlists" ("id") on delete cascade`,
    );
    this.addSql(
      `alter table "playlist_items" add constraint "playlist_items_video_id_foreign" foreign key ("video_id") references "videos" ("id") on delete cascade`,
    );
    this.addSql(
      `alter table "pieces" add constraint "pieces_video_id_foreign" foreign key ("video_id") references "videos" ("id") on delete cascade`,
    );
    this.addSql(
      `alter table "comments" add constraint "comments_video_id_foreign" foreign key ("video_id") references "videos" ("id") on delete cascade`,
    );
    this.addSql(
      `alter table "comments" add constraint "comments_author_id_foreign" foreign key ("author_id") references "users" ("id") on delete cascade`,
    );
    this.addSql(
      `alter table "video_runs" add constraint "video_runs_video_id_foreign" foreign key ("video_id") references "videos" ("id") on delete cascade`,
    );
    this.addSql(
      `alter table "piece_attempts" add constraint "piece_attempts_video_run_id_foreign" foreign key ("video_run_id") references "video_runs" ("id") on delete cascade`,
    );
    this.addSql(
      `alter table "video_streams" add constraint "video_streams_video_id_foreign" foreign key ("video_id") references "videos" ("id") on delete cascade`,
    );
  }
}
