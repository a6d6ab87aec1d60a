import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findDoubledPieces, keepDiary } from '../../chaos/ledger.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

/** What the judge of chaos reads in the diary. */
describe('pieces that were made twice', () => {
  let db: TestDatabase;

  beforeAll(async () => {
    db = await createTestDatabase();
    await keepDiary(world());
  });
  afterAll(() => db?.drop());

  const world = () => ({
    sql: async <Row>(statement: string, values: readonly unknown[] = []) =>
      (await db.sql(statement, [...values])) as readonly Row[],
  });

  let lastVideo = 0;
  async function write(...lines: readonly (readonly [what: string, name: string])[]) {
    lastVideo += 1;
    for (const [what, name] of lines)
      await db.sql('insert into chaos.diary (what, video_id, name) values ($1, $2, $3)', [
        ...[what, lastVideo, name],
      ]);
    const found = await findDoubledPieces(world());
    return found.filter(({ video_id: id }) => id === lastVideo).map(({ name }) => name);
  }

  it('are those whose work began after they were entered', async () => {
    expect(
      await write(
        ['started', 'chunk/0'],
        ['made', 'chunk/0/720p'],
        ['started', 'chunk/0'],
        ['made', 'chunk/0/720p'],
      ),
    ).toEqual(['chunk/0/720p']);
  });

  it('are not those that two attempts were at when neither was done', async () => {
    expect(
      await write(['started', 'audio'], ['started', 'audio'], ['made', 'audio'], ['made', 'audio']),
    ).toEqual([]);
  });

  it('are not those that were taken out meanwhile, nor others of the same step', async () => {
    expect(
      await write(
        ['started', 'chunk/1'],
        ['made', 'chunk/1/720p'],
        ['started', 'chunk/1'],
        ['made', 'chunk/1/360p'],
        ['forgotten', 'chunk/1/720p'],
        ['started', 'chunk/1'],
        ['made', 'chunk/1/720p'],
      ),
    ).toEqual([]);
  });
});
