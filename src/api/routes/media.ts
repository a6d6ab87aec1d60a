import { type Context, Hono } from 'hono';
import { AppError } from '../../domain/errors.ts';
import { toVideoId } from '../../domain/ids.ts';
import type { MediaLibrary, PackagedVideo } from '../../usecases/find-media.ts';
import type { AppEnv } from '../app-env.ts';
import { dashManifest } from '../manifests/dash.ts';
import { hlsMaster, hlsMediaPlaylist } from '../manifests/hls.ts';
import { chooseSoundSource, versionUrl } from '../manifests/media-urls.ts';
import { DASH_TYPE, HLS_TYPE, sendManifest } from '../manifests/send-manifest.ts';
import type { MediaSender } from '../media/send.ts';

export interface MediaRoutesDeps {
  readonly library: MediaLibrary;
  readonly sender: MediaSender;
}

/**
 * `GET|HEAD` of all that viewers fetch: `/videos/stream/:id/:quality/`, `/videos/:id/download/:quality`, the versioned files
 * `/videos/:id/v<version>/<quality>.mp4`, the playlists below `/videos/:id/hls/` and `/videos/:id/dash/` that name those, and
 * `/videos/:id/thumbnails/:n.jpg`. To be mounted at the root of an app that takes
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
  routes.get('/videos/:id/download/:quality', async (c) => {
    const file = await library.findDownload(
      c.get('viewer'),
      readId(c.req.param('id')),
      c.req.param('quality'),
    );
    return sender.send(c, file, { disposition: 'attachment' });
  });
  routes.get('/videos/:id/:version{v[0-9]+}/:file', async (c) => {
    const version = readVersion(c.req.param('version').slice(1));
    const quality = readName(c.req.param('file'), '.mp4');
    if (version === undefined) throw new AppError('not-found');
    const rendition = { version, quality };
    const file = await library.findVersion(c.get('viewer'), readId(c.req.param('id')), rendition);
    return sender.send(c, file, { isImmutable: true });
  });
  routes.get('/videos/:id/dash/manifest.mpd', async (c) =>
    sendManifest(c, dashManifest(await findPackage(library, c)), DASH_TYPE),
  );
  routes.get('/videos/:id/hls/master.m3u8', async (c) =>
    sendManifest(c, hlsMaster(await findPackage(library, c)), HLS_TYPE),
  );
  routes.get('/videos/:id/hls/:file', async (c) => {
    const name = readName(c.req.param('file'), '.m3u8');
    return sendManifest(c, mediaPlaylist(await findPackage(library, c), name), HLS_TYPE);
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

/** The published version, or the one that the query names: what a master playlist has once named goes on to exist. */
function findPackage(library: MediaLibrary, c: Context<AppEnv>): Promise<PackagedVideo> {
  const asked = c.req.query('v');
  const version = asked === undefined ? undefined : readVersion(asked);
  if (asked !== undefined && version === undefined)
    throw new AppError('validation-failed', { detail: '`v` is the number of a version.' });
  return library.findPackage(c.get('viewer'), readId(c.req.param('id') ?? ''), version);
}

function mediaPlaylist(video: PackagedVideo, name: string): string {
  const source =
    name === 'audio'
      ? chooseSoundSource(video)
      : video.renditions.find(({ quality }) => quality === name);
  const track = name === 'audio' ? source?.fragments.audio : source?.fragments.video;
  if (source === undefined || !track) {
    const available = video.renditions.map(({ quality }) => quality);
    throw new AppError('quality-not-available', { available });
  }
  return hlsMediaPlaylist(track, versionUrl(video.videoId, video.version, source.quality));
}

function readVersion(text: string): number | undefined {
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined;
}

/** @throws `not-found` for a file of another kind */
function readName(file: string, extension: string): string {
  if (!file.endsWith(extension)) throw new AppError('not-found');
  return file.slice(0, -extension.length);
}

function readId(text: string) {
  return toVideoId(/^\d{1,10}$/.test(text) ? Number(text) : undefined);
}
