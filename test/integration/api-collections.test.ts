import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestApi, problemCode, type TestApi, type TestUser } from '../support/api.ts';

let api: TestApi;
let admin: TestUser;
let owner: TestUser;
let other: TestUser;

beforeAll(async () => {
  api = await createTestApi();
  [admin, other] = [await api.addUser('admin'), await api.addUser()];
});
beforeEach(async () => {
  owner = await api.addUser();
});
afterAll(() => api.close());

describe('categories', () => {
  it('are made, renamed and deleted by administrators and read by all', async () => {
    const made = await api.ask('POST', '/categories', { as: admin, json: { name: 'Travel' } });
    expect({ status: made.status, location: made.headers.get('Location') }).toEqual({
      status: 201,
      location: `/categories/${made.body.id}`,
    });
    const path = `/categories/${made.body.id}`;
    expect(
      (await api.ask('PATCH', path, { as: admin, json: { name: 'Journeys' } })).body.name,
    ).toBe('Journeys');
    const names = (await api.ask('GET', '/categories', { as: owner })).body.data.map(
      (each: { name: string }) => each.name,
    );
    expect(names).toContain('Journeys');
    for (const [method, address, json] of [
      ['POST', '/categories', { name: 'x' }],
      ['PATCH', path, { name: 'x' }],
      ['DELETE', path, undefined],
    ] as const) {
      expect(problemCode(await api.ask(method, address, { as: owner, json }))).toBe(
        'permission-denied',
      );
    }
    expect((await api.ask('DELETE', path, { as: admin })).status).toBe(204);
    expect(problemCode(await api.ask('DELETE', path, { as: admin }))).toBe('category-not-found');
    expect(problemCode(await api.ask('PATCH', path, { as: admin, json: { name: 'x' } }))).toBe(
      'category-not-found',
    );
  });

  it('have names that differ in more than case', async () => {
    await api.ask('POST', '/categories', { as: admin, json: { name: 'Sport' } });
    expect(
      problemCode(await api.ask('POST', '/categories', { as: admin, json: { name: 'SPORT' } })),
    ).toBe('name-taken');
    const { id } = (await api.ask('POST', '/categories', { as: admin, json: { name: 'Music' } }))
      .body;
    expect(
      problemCode(
        await api.ask('PATCH', `/categories/${id}`, { as: admin, json: { name: 'sport' } }),
      ),
    ).toBe('name-taken');
    expect(
      (await api.ask('PATCH', `/categories/${id}`, { as: admin, json: { name: 'MUSIC' } })).status,
    ).toBe(200);
  });

  it('stay while a video has them', async () => {
    const { id } = (await api.ask('POST', '/categories', { as: admin, json: { name: 'Kept' } }))
      .body;
    const videoId = await api.addVideo(owner, { categoryId: id });
    expect(problemCode(await api.ask('DELETE', `/categories/${id}`, { as: admin }))).toBe(
      'category-in-use',
    );
    await api.ask('DELETE', `/videos/${videoId}`, { as: owner });
    expect((await api.ask('DELETE', `/categories/${id}`, { as: admin })).status).toBe(204);
  });
});

describe('comments', () => {
  it('are listed oldest first, page by page', async () => {
    const path = `/videos/${await api.addVideo(owner)}/comments`;
    for (const text of ['one', 'two', 'three'])
      await api.ask('POST', path, { as: owner, json: { text } });
    const first = await api.ask('GET', `${path}?limit=2`, { as: owner });
    expect(first.body.data.map((each: { text: string }) => each.text)).toEqual(['one', 'two']);
    const second = await api.ask('GET', `${path}?limit=2&cursor=${first.body.nextCursor}`, {
      as: owner,
    });
    expect(second.body).toMatchObject({
      data: [{ text: 'three', authorId: owner.id }],
      nextCursor: null,
    });
  });

  it('are changed by their author alone and removed by author, owner or administrator', async () => {
    const path = `/videos/${await api.addVideo(owner)}/comments`;
    const mine = (await api.ask('POST', path, { as: owner, json: { text: 'mine' } })).body;
    const admins = (await api.ask('POST', path, { as: admin, json: { text: 'admin’s' } })).body;

    expect(
      (await api.ask('PATCH', `${path}/${mine.id}`, { as: owner, json: { text: 'better' } })).body
        .text,
    ).toBe('better');
    expect(
      problemCode(await api.ask('PATCH', `${path}/${mine.id}`, { as: admin, json: { text: 'x' } })),
    ).toBe('permission-denied');
    expect(
      problemCode(
        await api.ask('PATCH', `${path}/${admins.id}`, { as: owner, json: { text: 'x' } }),
      ),
    ).toBe('permission-denied');
    expect((await api.ask('DELETE', `${path}/${admins.id}`, { as: owner })).status).toBe(204);
    expect((await api.ask('DELETE', `${path}/${mine.id}`, { as: admin })).status).toBe(204);
    expect(problemCode(await api.ask('DELETE', `${path}/${mine.id}`, { as: owner }))).toBe(
      'comment-not-found',
    );
  });

  it('are found under their own video only', async () => {
    const path = `/videos/${await api.addVideo(owner)}/comments`;
    const elsewhere = `/videos/${await api.addVideo(owner)}/comments`;
    const { id } = (await api.ask('POST', path, { as: owner, json: { text: 'here' } })).body;
    expect(problemCode(await api.ask('DELETE', `${elsewhere}/${id}`, { as: owner }))).toBe(
      'comment-not-found',
    );
  });
});

describe('playlists', () => {
  async function playlistOf(count: number): Promise<{ path: string; ids: number[] }> {
    const { body } = await api.ask('POST', '/playlists', { as: owner, json: { title: 'Evening' } });
    const path = `/playlists/${body.id}`;
    const ids: number[] = [];
    for (let n = 0; n < count; n += 1) {
      ids.push(await api.addVideo(owner));
      await api.ask('POST', `${path}/items`, { as: owner, json: { videoId: ids[n] } });
    }
    return { path, ids };
  }
  const order = (answer: { body: { items: { videoId: number }[] } }): number[] =>
    answer.body.items.map((item) => item.videoId);

  it('keep the order in which videos are put in', async () => {
    const { path, ids } = await playlistOf(3);
    const answer = await api.ask('GET', path, { as: owner });
    expect(answer.body.items).toEqual(
      ids.map((videoId, position) => ({ position, videoId, title: 'Holiday' })),
    );
  });

  it('take a video at any position, the end included', async () => {
    const { path, ids } = await playlistOf(2);
    const [first, last] = [await api.addVideo(owner), await api.addVideo(owner)];
    await api.ask('POST', `${path}/items`, { as: owner, json: { videoId: first, position: 0 } });
    const answer = await api.ask('POST', `${path}/items`, {
      as: owner,
      json: { videoId: last, position: 999 },
    });
    expect({ status: answer.status, order: order(answer) }).toEqual({
      status: 201,
      order: [first, ...ids, last],
    });
    const again = await api.ask('POST', `${path}/items`, { as: owner, json: { videoId: last } });
    expect(problemCode(again)).toBe('validation-failed');
  });

  it.each([
    [0, 2, [1, 2, 0]],
    [2, 0, [2, 0, 1]],
    [1, 1, [0, 1, 2]],
    [0, 99, [1, 2, 0]],
  ])('move a video from %d to %d', async (from, to, expected) => {
    const { path, ids } = await playlistOf(3);
    const answer = await api.ask('PATCH', `${path}/items/${ids[from]}`, {
      as: owner,
      json: { position: to },
    });
    expect(order(answer)).toEqual(expected.map((index) => ids[index]));
    const positions = await api.db.sql(
      'select position from playlist_items where playlist_id = $1 order by position',
      [path.split('/').at(-1)],
    );
    expect(positions.map((row) => row['position'])).toEqual([0, 1, 2]);
  });

  it('close the gap when a video is taken out', async () => {
    const { path, ids } = await playlistOf(3);
    expect(order(await api.ask('DELETE', `${path}/items/${ids[1]}`, { as: owner }))).toEqual([
      ids[0],
      ids[2],
    ]);
    expect(problemCode(await api.ask('DELETE', `${path}/items/${ids[1]}`, { as: owner }))).toBe(
      'video-not-found',
    );
    expect(
      problemCode(
        await api.ask('PATCH', `${path}/items/${ids[1]}`, { as: owner, json: { position: 0 } }),
      ),
    ).toBe('video-not-found');
  });

  it('are replaced as a whole', async () => {
    const { path, ids } = await playlistOf(3);
    const fresh = await api.addVideo(owner);
    const wanted = [ids[2], fresh, ids[0]];
    expect(
      order(await api.ask('PUT', `${path}/items`, { as: owner, json: { videoIds: wanted } })),
    ).toEqual(wanted);
    const twice = await api.ask('PUT', `${path}/items`, {
      as: owner,
      json: { videoIds: [fresh, fresh] },
    });
    expect(problemCode(twice)).toBe('validation-failed');
    expect(
      order(await api.ask('PUT', `${path}/items`, { as: owner, json: { videoIds: [] } })),
    ).toEqual([]);
  });

  it('lose no video to writers at the same time', async () => {
    const { path } = await playlistOf(0);
    const ids: number[] = [];
    for (let n = 0; n < 6; n += 1) ids.push(await api.addVideo(owner));
    const answers = await Promise.all(
      ids.map((videoId) =>
        api.ask('POST', `${path}/items`, { as: owner, json: { videoId, position: 0 } }),
      ),
    );
    expect(answers.map((answer) => answer.status)).toEqual(ids.map(() => 201));
    expect(order(await api.ask('GET', path, { as: owner })).toSorted((a, b) => a - b)).toEqual(ids);
  });

  it('hold only their owner’s videos, and nothing changes when one is not', async () => {
    const { path, ids } = await playlistOf(1);
    const foreign = await api.addVideo(other);
    for (const [method, json] of [
      ['POST', { videoId: foreign }],
      ['PUT', { videoIds: [foreign] }],
      ['POST', { videoId: 2_000_000_000 }],
    ] as const) {
      expect(problemCode(await api.ask(method, `${path}/items`, { as: owner, json }))).toBe(
        'video-not-found',
      );
    }
    expect(order(await api.ask('GET', path, { as: owner }))).toEqual(ids);
  });

  it('leave out videos that are deleted', async () => {
    const { path, ids } = await playlistOf(3);
    await api.ask('DELETE', `/videos/${ids[0]}`, { as: owner });
    const answer = await api.ask('GET', path, { as: owner });
    expect(
      answer.body.items.map((item: { position: number; videoId: number }) => [
        item.position,
        item.videoId,
      ]),
    ).toEqual([
      [0, ids[1]],
      [1, ids[2]],
    ]);
    const moved = await api.ask('PATCH', `${path}/items/${ids[2]}`, {
      as: owner,
      json: { position: 0 },
    });
    expect(order(moved)).toEqual([ids[2], ids[1]]);
  });

  it('are there for their owner alone', async () => {
    const { path, ids } = await playlistOf(1);
    for (const as of [other, admin]) {
      for (const [method, address, json] of [
        ['GET', path, undefined],
        ['PATCH', path, { title: 'x' }],
        ['DELETE', path, undefined],
        ['POST', `${path}/items`, { videoId: ids[0] }],
        ['PUT', `${path}/items`, { videoIds: [] }],
        ['PATCH', `${path}/items/${ids[0]}`, { position: 0 }],
        ['DELETE', `${path}/items/${ids[0]}`, undefined],
      ] as const) {
        expect(problemCode(await api.ask(method, address, { as, json }))).toBe(
          'playlist-not-found',
        );
      }
      const listed = (await api.ask('GET', '/playlists?limit=100', { as })).body.data;
      expect(listed.map((each: { id: number }) => `/playlists/${each.id}`)).not.toContain(path);
    }
  });

  it('are changed, listed newest first, and deleted without their videos', async () => {
    const { path, ids } = await playlistOf(1);
    const renamed = await api.ask('PATCH', path, { as: owner, json: { description: 'for later' } });
    expect(renamed.body).toMatchObject({ title: 'Evening', description: 'for later' });
    await api.ask('POST', '/playlists', { as: owner, json: { title: 'Second' } });
    const first = await api.ask('GET', '/playlists?limit=1', { as: owner });
    expect(first.body.data[0].title).toBe('Second');
    const second = await api.ask('GET', `/playlists?limit=1&cursor=${first.body.nextCursor}`, {
      as: owner,
    });
    expect(second.body).toMatchObject({ data: [{ title: 'Evening' }], nextCursor: null });
    expect((await api.ask('DELETE', path, { as: owner })).status).toBe(204);
    expect(problemCode(await api.ask('GET', path, { as: owner }))).toBe('playlist-not-found');
    expect((await api.ask('GET', `/videos/${ids[0]}`, { as: owner })).status).toBe(200);
  });
});
