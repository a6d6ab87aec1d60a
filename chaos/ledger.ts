import type { World } from './world.ts';

/**
 * A diary of the work ledger, kept by triggers of the database itself, so that it survives every kill and sees what the product
 * does not tell: when work on a piece began, when it was entered, and when it was taken out again.
 */
const DIARY = `
  create schema chaos;
  create table chaos.diary (
    id bigserial primary key,
    at timestamptz not null default clock_timestamp(),
    what text not null,
    video_id int not null,
    name text not null,
    recipe text not null default '');
  create function chaos.note_start() returns trigger language plpgsql as $$ begin
    if tg_op = 'INSERT' or new.unended_starts > old.unended_starts then
      insert into chaos.diary (what, video_id, name)
      select 'started', video_id, new.name from public.video_runs where id = new.video_run_id;
    end if;
    return null; end $$;
  create trigger chaos_start after insert or update on piece_attempts
    for each row execute function chaos.note_start();
  create function chaos.note_made() returns trigger language plpgsql as $$ begin
    insert into chaos.diary (what, video_id, name, recipe)
    values ('made', new.video_id, new.name, new.source_sha256 || new.recipe);
    return new; end $$;
  create trigger chaos_made before insert on pieces for each row execute function chaos.note_made();
  create function chaos.note_forgotten() returns trigger language plpgsql as $$ begin
    insert into chaos.diary (what, video_id, name, recipe)
    values ('forgotten', old.video_id, old.name, old.source_sha256 || old.recipe);
    return null; end $$;
  create trigger chaos_forgotten after delete on pieces
    for each row execute function chaos.note_forgotten();`;

/** Begins the diary. Everything before is not in it. */
export async function keepDiary(world: Pick<World, 'sql'>): Promise<void> {
  await world.sql(DIARY);
}

export interface DoubledPiece {
  readonly video_id: number;
  readonly name: string;
}

/**
 * Pieces that were made again by work that had begun after they were entered, although nobody had taken them out. An insert that
 * the ledger refuses stands in the diary too: a piece is only offered to it after it was made.
 */
export function findDoubledPieces(world: Pick<World, 'sql'>): Promise<readonly DoubledPiece[]> {
  return world.sql<DoubledPiece>(`
    select distinct again.video_id, again.name
      from chaos.diary again
      join chaos.diary first on first.what = 'made' and first.id < again.id
       and (first.video_id, first.name, first.recipe) = (again.video_id, again.name, again.recipe)
      join lateral (
        select id from chaos.diary began
         where began.what = 'started' and began.video_id = again.video_id and began.id < again.id
           and (again.name = began.name or again.name like began.name || '/%')
         order by id desc limit 1) began on began.id > first.id
     where again.what = 'made'
       and not exists (
         select 1 from chaos.diary gone
          where gone.what = 'forgotten' and gone.id > first.id and gone.id < again.id
            and (gone.video_id, gone.name, gone.recipe) = (again.video_id, again.name, again.recipe))
     order by 1, 2`);
}

/** How many pieces were made, for the report. */
export async function countMadePieces(world: World): Promise<number> {
  const [row] = await world.sql<{ made: number }>(
    `select count(*)::int as made from chaos.diary where what = 'made'`,
  );
  return row?.made ?? 0;
}
