import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Hono } from 'hono';
import type { RetentionSettings } from '../domain/retention.ts';
import type { Logger } from '../observability/logger.ts';
import type { UseCaseDeps } from '../usecases/deps.ts';
import type { Recall } from '../usecases/recall.ts';
import type { ReadStorageReport } from '../usecases/storage-report.ts';
import type { StorageMigrations } from '../usecases/migrate-storage.ts';
import type { AppEnv } from './app-env.ts';
import { describeMediaRoutes } from './describe-media.ts';
import { noSuchRoute } from './method-not-allowed.ts';
import { checkOrigin } from './middleware/check-origin.ts';
import { identifyRequest } from './middleware/identify-request.ts';
import { limitBody } from './middleware/limit-body.ts';
import { logAccess } from './middleware/log-access.ts';
import { forgetOnWrite, requireLogin } from './middleware/require-login.ts';
import { secureHeaders } from './middleware/secure-headers.ts';
import { problemResponse } from './problem.ts';
import { createProxyTrust } from './proxy-trust.ts';
import { createRouter } from './router.ts';
import { createApiKeyRoutes } from './routes/api-keys.ts';
import { createAuthRoutes } from './routes/auth.ts';
import { createCategoryRoutes } from './routes/categories.ts';
import { createCommentRoutes } from './routes/comments.ts';
import { createHealthRoutes, type ReadinessChecks } from './routes/health.ts';
import { createPageRoutes } from './routes/page.ts';
import { createPlaylistRoutes } from './routes/playlists.ts';
import { createRetentionRoutes } from './routes/retention.ts';
import { createStorageRoutes } from './routes/storage.ts';
import { createReconcileRoutes } from './routes/reconcile.ts';
import { createStorageMigrationRoutes } from './routes/storage-migration.ts';
import { createThumbnailRoutes } from './routes/thumbnails.ts';
import { createVideoRoutes } from './routes/videos.ts';
import { createSessionCookie } from './session-cookie.ts';

export interface AppDeps extends UseCaseDeps {
  readonly logger: Logger;
  readonly readiness: ReadinessChecks;
  /** Of this process: who asks, and what they may have. */
  readonly recall: Recall;
  readonly storageMigrations: StorageMigrations;
  /** Routes that move bytes; mounted at the root, behind the login. */
  readonly uploadRoutes: Hono<AppEnv>;
  readonly mediaRoutes: Hono<AppEnv>;
  readonly pictureRoutes: Hono<AppEnv>;
  /** What `GET /admin/storage` answers. */
  readonly readStorageReport: ReadStorageReport;
  readonly settings: AppSettings;
}

export interface AppSettings {
  readonly publicUrl: string;
  readonly trustedProxies: readonly string[];
  readonly allowSignUp: boolean;
  readonly retention: RetentionSettings;
  /** `https://host` of what viewers are sent on to; nothing else when left out. */
  readonly mediaOrigins?: readonly string[];
  /** Longest time in which a body that is read whole arrives; 30 s if left out. */
  readonly longestBodyMs?: number;
  /** Where the page lies; the product's own when left out. */
  readonly publicFolder?: string;
}

/**
 * The whole HTTP application.
 *
 * Order matters: an id before anything can fail, the access line around everything, then who asks from where, and only then
 * the routes. Addresses work with and without a slash at their end.
 */
export function createApp(deps: AppDeps): OpenAPIHono<AppEnv> {
  const { logger, settings } = deps;
  const isHttps = settings.publicUrl.startsWith('https:');
  const cookie = createSessionCookie({ isHttps });
  const app = createRouter();
  app.onError((error, c) => problemResponse(c, error));
  app.notFound((c) => problemResponse(c, noSuchRoute(app, c)));

  app.use(identifyRequest(logger, createProxyTrust(settings.trustedProxies)));
  app.use(logAccess());
  app.use(secureHeaders({ isHttps, mediaOrigins: settings.mediaOrigins ?? [] }));
  app.use(checkOrigin(cookie, settings.publicUrl));
  app.use(forgetOnWrite(deps.recall));
  app.use(requireLogin(deps, cookie));
  app.use(limitBody(settings.longestBodyMs));

  app.get('/openapi.json', (c) => c.json(describe(app, settings.publicUrl)));
  app.route('/', createPageRoutes(settings.publicFolder));
  app.route('/', createHealthRoutes(deps.readiness, deps.now));
  app.route('/', createAuthRoutes({ ...deps, ...settings, cookie }));
  app.route('/', createApiKeyRoutes(deps));
  // Before `/videos/:id`: these share its first words.
  app.route('/', deps.uploadRoutes);
  app.route('/', deps.mediaRoutes);
  app.route('/', deps.pictureRoutes);
  app.route('/', createVideoRoutes(deps));
  app.route('/', createThumbnailRoutes(deps));
  app.route('/', createCommentRoutes(deps));
  app.route('/', createCategoryRoutes(deps));
  app.route('/', createPlaylistRoutes(deps));
  app.route('/', createStorageRoutes(deps));
  app.route('/', createRetentionRoutes({ ...deps, ...settings }));
  app.route('/', createReconcileRoutes(deps));
  app.route('/', createStorageMigrationRoutes(deps.storageMigrations));
  describeMediaRoutes(app);
  app.openAPIRegistry.registerComponent('securitySchemes', 'apiKey', {
    type: 'http',
    scheme: 'bearer',
  });
  return app;
}

function describe(app: OpenAPIHono<AppEnv>, publicUrl: string) {
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Steadyreel',
      version: '1',
      description: 'The self-hosted video backend that never loses an upload.',
    },
    servers: [{ url: publicUrl }],
    security: [{ apiKey: [] }],
  });
}
