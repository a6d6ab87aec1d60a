import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestApi, problemCode, type TestApi, type TestUser } from '../support/api.ts';

let api: TestApi;
let owner: TestUser;
beforeAll(async () => {
  api = await createTestApi();
  owner = await api.addUser();
});
afterAll(() => api.close());

describe('x', () => {
  it('gets a video', async () => {
    const id = await api.addVideo(owner, { tags: ['a', 'b'] });
    const a = await api.ask('GET', `/videos/${id}`, { as: owner });
    console.log(a.status, a.text);
    for (const [m, p, json] of [
      ['GET', '/videos?q=oli&tag=a&limit=1'],
      ['GET', '/auth/me'], ['GET','/queue'], ['POST','/playlists',{title:'x'}], ['GET','/playlists/1/'],
      ['POST', '/playlists/1/items', {videoId: id}],
      ['PATCH', `/videos/${id}`, {title:'neu', tags:['c']}],
      ['POST', `/videos/${id}/comments`, {text:'hallo'}], ['GET', `/videos/${id}/comments`],
      ['POST', `/videos/${id}/cancel`], ['POST', `/videos/${id}/reprocess`],['POST', `/videos/${id}/retry`, {}],
      ['GET','/api-keys'], ['POST','/api-keys',{name:'k'}], ['PUT', '/videos'], ['GET','/videos/0'], ['GET','/nothing'],['DELETE', `/videos/${id}`], ['GET', `/videos/${id}`],
      ['GET','/readyz'],['GET','/problems/video-busy'], ['POST','/auth/login-links', {next:'/x?y=1'}], ['GET','/openapi.json']
    ] as const) {
      const r = await api.ask(m, p, { as: owner, json });
      console.log(m, p, r.status, r.text.slice(0, 700));
    }
    expect(problemCode(await api.ask('GET', '/videos'))).toBe('authentication-required');
    console.log(api.logLines.filter(l => (l['level'] as number) > 30));
  });
});
