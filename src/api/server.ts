import type { Server } from 'node:http';
import { serve } from '@hono/node-server';
import { type ApiParts, composeApi } from '../composition.ts';
import { type Config, ConfigError, loadConfig } from '../config/env.ts';
import { AppError } from '../domain/errors.ts';
import type { VideoId } from '../domain/ids.ts';
import { STOP_MS } from '../host/stop-times.ts';
import { getVideo } from '../usecases/videos.ts';
import type { Viewer } from '../usecases/viewer.ts';
import { createApp } from './app.ts';
import { createMediaSender } from './media/send.ts';
import { createMediaRoutes } from './routes/media.ts';
import { createPictureRoutes } from './routes/pictures.ts';
import { configureUploadServer, createUploadRoutes } from './routes/upload.ts';

/** The API process: serves until SIGTERM or SIGINT, then lets what runs finish. */

const RECOVER_EVERY_MS = 5 * 60_000;

try {
  await main(loadConfig());
} catch (error) {
  if (!(error instanceof ConfigError) && !(error instanceof AppError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

async function main(config: Config): Promise<void> {
  const parts = await composeApi(config);
  const { logger } = parts;
  await parts.ensureFirstAdmin();
  const server = await listen(parts);
  logger.info({ url: config.publicUrl }, `listening on ${config.host}:${config.port}`);
  if (!config.publicUrl.startsWith('https:') && !isLocal(config.publicUrl)) {
    logger.warn('PUBLIC_URL is plain HTTP: passwords and keys cross the network unprotected');
  }

  const recovering = keepRecovering(parts);
  const signal = await stopSignal();
  logger.info({ signal }, 'stopping');
  clearInterval(recovering);
  await finishRequests(server);
  await parts.close();
  logger.info('stopped');
}

/** Resolves once requests are taken. A port that is not free ends the process with one sentence. */
async function listen(parts: ApiParts): Promise<Server> {
  const { config, logger, useCases, uploads, library, pictures, ownPosters } = parts;
  const sender = createMediaSender(config);
  const presentVideo = (videoId: VideoId, viewer: Viewer) => getVideo(useCases, viewer, videoId);
  const app = createApp({
    ...useCases,
    logger,
    readiness: parts.readiness,
    recall: parts.recall,
    readStorageReport: parts.readStorageReport,
    storageMigrations: parts.storageMigrations,
    uploadRoutes: createUploadRoutes({
      uploads,
      presentVideo,
      maxUploadBytes: config.maxUploadBytes,
      defaultProfile: config.videoProfile,
    }),
    mediaRoutes: createMediaRoutes({ library, sender }),
    pictureRoutes: createPictureRoutes({ pictures, ownPosters, sender, presentVideo }),
    settings: { ...config, mediaOrigins: parts.mediaOrigins },
  });
  return new Promise((resolve) => {
    const server = serve({ fetch: app.fetch, hostname: config.host, port: config.port }, () =>
      resolve(server),
    ) as Server;
    configureUploadServer(server);
    server.once('error', (error: NodeJS.ErrnoException) => {
      process.stderr.write(`${describeListenError(error, config)}\n`);
      process.exit(1);
    });
  });
}

function describeListenError(error: NodeJS.ErrnoException, { host, port }: Config): string {
  if (error.code === 'EADDRINUSE') {
    return `Port ${port} on ${host} is taken by another program: stop it, or set PORT to a free one.`;
  }
  if (error.code === 'EACCES')
    return `Port ${port} may not be used by this account: set PORT to one above 1023.`;
  if (error.code === 'EADDRNOTAVAIL')
    return `This machine has no address ${host}: set HOST to one that it has.`;
  return `The API cannot listen on ${host}:${port}: ${error.message}`;
}

/** Finishes uploads that a dead process had accepted; now and every few minutes. */
function keepRecovering({ recoverManifests, logger }: ApiParts): NodeJS.Timeout {
  const recover = async (): Promise<void> => {
    try {
      const report = await recoverManifests();
      if (Object.values(report).some((count) => count > 0))
        logger.info(report, 'uploads recovered');
    } catch (error) {
      logger.error({ err: error }, 'uploads could not be recovered now');
    }
  };
  void recover();
  return setInterval(() => void recover(), RECOVER_EVERY_MS);
}

function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.once(signal, () => resolve(signal));
  });
}

/** Takes no new requests; those under way get some seconds, then their connections are cut. */
async function finishRequests(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const cut = setTimeout(() => server.closeAllConnections(), STOP_MS.requests);
  await closed;
  clearTimeout(cut);
}

function isLocal(url: string): boolean {
  return ['localhost', '127.0.0.1', '[::1]'].includes(new URL(url).hostname);
}
