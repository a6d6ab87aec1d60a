import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { SCOPES } from '../../domain/video.ts';
import {
  type ApiKeySummary,
  createApiKey,
  listOwnApiKeys,
  revokeOwnApiKey,
} from '../../usecases/api-keys.ts';
import type { UseCaseDeps } from '../../usecases/deps.ts';
import type { AppEnv } from '../app-env.ts';
import { createRouter } from '../router.ts';
import { json, jsonBody, problem } from '../schemas/answers.ts';
import { id, idText, line, timestamp } from '../schemas/fields.ts';

const tags = ['API keys'];

const apiKeySchema = z
  .object({
    id: id(),
    publicId: z.string(),
    name: z.string(),
    scopes: z.array(z.enum(SCOPES)).readonly(),
    createdAt: timestamp(),
    expiresAt: timestamp().nullable(),
    revokedAt: timestamp().nullable(),
    lastUsedAt: timestamp().nullable(),
  })
  .openapi('ApiKey');

const apiKeyRequest = z
  .strictObject({
    name: line(100),
    scopes: z
      .array(z.enum(SCOPES))
      .min(1)
      .max(SCOPES.length)
      .default(['read', 'write'])
      .transform((scopes) => [...new Set(scopes)]),
    expiresAt: timestamp()
      .refine((time) => Date.parse(time) > Date.now(), 'must lie in the future')
      .nullable()
      .default(null),
  })
  .openapi('ApiKeyRequest');

/** Keys for programs. A key's text is shown once, when it is made. */
export function createApiKeyRoutes(deps: UseCaseDeps): OpenAPIHono<AppEnv> {
  return createRouter()
    .openapi(listRoute, async (c) =>
      c.json({ data: (await listOwnApiKeys(deps, c.var.viewer)).map(present) }, 200),
    )
    .openapi(addRoute, async (c) => {
      const { expiresAt, ...rest } = c.req.valid('json');
      const request = { ...rest, expiresAt: expiresAt === null ? null : new Date(expiresAt) };
      const { key, ...summary } = await createApiKey(deps, c.var.viewer, request);
      return c.json({ ...present(summary), key }, 201);
    })
    .openapi(revokeRoute, async (c) => {
      await revokeOwnApiKey(deps, c.var.viewer, c.req.valid('param').id);
      return c.body(null, 204);
    });
}

function present(key: ApiKeySummary) {
  return {
    ...key,
    createdAt: key.createdAt.toISOString(),
    expiresAt: key.expiresAt?.toISOString() ?? null,
    revokedAt: key.revokedAt?.toISOString() ?? null,
    lastUsedAt: key.lastUsedAt?.toISOString() ?? null,
  };
}

const listRoute = createRoute({
  method: 'get',
  path: '/api-keys',
  tags,
  summary: 'List your API keys, newest first',
  responses: {
    200: json(z.object({ data: z.array(apiKeySchema) }), 'Your keys, revoked ones too.'),
    default: problem,
  },
});

const addRoute = createRoute({
  method: 'post',
  path: '/api-keys',
  tags,
  summary: 'Make an API key',
  request: { body: jsonBody(apiKeyRequest) },
  responses: {
    201: json(
      apiKeySchema.extend({ key: z.string() }).openapi('NewApiKey'),
      'The key; `key` is shown this once.',
    ),
    default: problem,
  },
});

const revokeRoute = createRoute({
  method: 'delete',
  path: '/api-keys/{id}',
  tags,
  summary: 'Revoke an API key',
  request: { params: z.object({ id: idText() }) },
  responses: { 204: { description: 'It lets nobody in any more.' }, default: problem },
});
