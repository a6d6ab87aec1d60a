import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { AppError } from '../../domain/errors.ts';
import { ROLES, SCOPES } from '../../domain/video.ts';
import type { UseCaseDeps } from '../../usecases/deps.ts';
import { logIn, logInByApiKey, signUp } from '../../usecases/log-in.ts';
import { createLoginLink, localPath, redeemLoginLink } from '../../usecases/login-links.ts';
import { closeSession } from '../../usecases/open-session.ts';
import type { AppEnv } from '../app-env.ts';
import { emptyBodyIsNone } from '../middleware/empty-body.ts';
import { createRouter } from '../router.ts';
import { json, jsonBody, problem } from '../schemas/answers.ts';
import { address, id, timestamp } from '../schemas/fields.ts';
import type { SessionCookie } from '../session-cookie.ts';

export interface AuthRoutesDeps extends UseCaseDeps {
  readonly cookie: SessionCookie;
  readonly allowSignUp: boolean;
  readonly publicUrl: string;
}

const tags = ['Login'];

const email = () => z.email().max(254);
const userSchema = z.object({ id: id(), email: z.string(), role: z.enum(ROLES) }).openapi('User');
const credentials = z.strictObject({
  email: z.string().min(1).max(254),
  password: z.string().min(1).max(1000),
});
const keyCredentials = z.strictObject({ apiKey: z.string().min(1).max(1000) });
const newCredentials = z.strictObject({ email: email(), password: z.string().min(8).max(1000) });

/** Sign-up, log-in and what comes with it. A log-in answers with the user and a session cookie. */
export function createAuthRoutes(deps: AuthRoutesDeps): OpenAPIHono<AppEnv> {
  return createRouter()
    .openapi(signUpRoute, async (c) => {
      const how = { allowed: deps.allowSignUp, clientAddress: c.var.clientAddress };
      const { user, session } = await signUp(deps, c.req.valid('json'), how);
      deps.cookie.write(c, session.token);
      return c.json(user, 201);
    })
    .openapi(logInRoute, async (c) => {
      const given = c.req.valid('json');
      const { user, session } =
        'apiKey' in given
          ? await logInByApiKey(deps, given.apiKey, c.var.clientAddress)
          : await logIn(deps, given, c.var.clientAddress);
      deps.cookie.write(c, session.token);
      return c.json(user, 200);
    })
    .openapi(logOutRoute, async (c) => {
      const token = deps.cookie.read(c);
      if (token !== undefined) await closeSession(deps, token);
      deps.cookie.clear(c);
      return c.body(null, 204);
    })
    .openapi(meRoute, (c) => {
      const { userId, email: address, role, scopes, via } = c.var.viewer;
      return c.json({ id: userId, email: address, role, scopes, via }, 200);
    })
    .openapi(createLinkRoute, async (c) => {
      const { token, expiresAt } = await createLoginLink(deps, c.var.viewer);
      const next = localPath(c.req.valid('json').next);
      const query = next === '/' ? '' : `?${new URLSearchParams({ next }).toString()}`;
      const url = `${deps.publicUrl}/auth/link/${token}${query}`;
      return c.json({ url, expiresAt: expiresAt.toISOString() }, 201);
    })
    .openapi(useLinkRoute, async (c) => {
      // Hono hands HEAD to this handler, and a look must not use the link up.
      if (c.req.method !== 'GET') throw new AppError('method-not-allowed', { allow: 'GET' });
      const session = await redeemLoginLink(deps, c.req.valid('param').token);
      deps.cookie.write(c, session.token);
      c.header('Cache-Control', 'no-store');
      return c.redirect(localPath(c.req.valid('query').next), 303);
    });
}

const signUpRoute = createRoute({
  method: 'post',
  path: '/auth/sign-up',
  tags,
  summary: 'Make an account, where the server allows it',
  security: [],
  request: { body: jsonBody(newCredentials) },
  responses: { 201: json(userSchema, 'You, logged in.'), default: problem },
});

const logInRoute = createRoute({
  method: 'post',
  path: '/auth/log-in',
  tags,
  summary: 'Log in with a password, or trade an API key for a session',
  security: [],
  request: { body: jsonBody(z.union([credentials, keyCredentials])) },
  responses: { 200: json(userSchema, 'You, logged in.'), default: problem },
});

const logOutRoute = createRoute({
  method: 'post',
  path: '/auth/log-out',
  tags,
  summary: 'Log this browser out',
  security: [],
  responses: { 204: { description: 'Logged out.' }, default: problem },
});

const meRoute = createRoute({
  method: 'get',
  path: '/auth/me',
  tags,
  summary: 'Who you are, and what this login may do',
  responses: {
    200: json(
      userSchema
        .extend({ scopes: z.array(z.enum(SCOPES)).readonly(), via: z.enum(['api-key', 'session']) })
        .openapi('Me'),
      'You.',
    ),
    default: problem,
  },
});

const createLinkRoute = createRoute({
  method: 'post',
  path: '/auth/login-links',
  tags,
  middleware: emptyBodyIsNone,
  summary: 'Make a link that logs you in once, within ten minutes',
  request: {
    body: {
      content: { 'application/json': { schema: z.strictObject({ next: address().optional() }) } },
    },
  },
  responses: {
    201: json(z.object({ url: z.string(), expiresAt: timestamp() }), 'The link.'),
    default: problem,
  },
});

const useLinkRoute = createRoute({
  method: 'get',
  path: '/auth/link/{token}',
  tags,
  summary: 'Log in by a link',
  security: [],
  request: {
    params: z.object({ token: z.string().max(100) }),
    query: z.object({ next: address().optional() }),
  },
  responses: { 303: { description: 'Logged in; on to `next`.' }, default: problem },
});
