import { Hono } from 'hono';
import { AppError } from '../../domain/errors.ts';
import { toVideoId } from '../../domain/ids.ts';
import type { MediaLibrary } from '../../usecases/find-media.ts';
import type { AppEnv } from '../app-env.ts';
import type { MediaSender } from '../media/send.ts';

export interface MediaRoutesDeps {
  readonly library: MediaLibrary;
  readonly sender: MediaSender;
}

/**
 * `GET|HEAD /videos/stream/:id/:quality/` and `/videos/:id/thumbnails/:n.jpg`. To be mounted at the root of an app that takes
 * paths with and without a slash at the end, behind a login that sets `viewer`. Hono hands HEAD to the handlers of GET.
 */
export function createMediaRoutes({ library, sender }: MediaRoutesDeps): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  routes.get('/videos/stream/:id/:quality', async (c) => {
    const file = await library.findStream(
      c.get('viewer'),
      readId(c.req.param('id')),
      c.req.param('quality'),
    );
    return sender.send(c, file);
  });
  routes.get('/videos/:id/thumbnails/:file', async (c) => {
    const position = /^(\d{1,4})\.jpg$/.exec(c.req.param('file'))?.[1];
    if (position === undefined) throw new AppError('thumbnail-not-found');
    return sender.send(
      c,
      await library.findThumbnail(c.get('viewer'), readId(c.req.param('id')), Number(position)),
    );
  });
  return routes;
}

function readId(text: string) {
  return toVideoId(/^\d{1,10}$/.test(text) ? Number(text) : undefined);
}
