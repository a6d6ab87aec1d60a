import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { AppError, ERRORS, isErrorCode } from '../../domain/errors.ts';
import type { AppEnv } from '../app-env.ts';
import { createRouter } from '../router.ts';
import { json, problem } from '../schemas/answers.ts';

/** What the API stands on; each answers whether it works, within a few seconds. */
export interface ReadinessChecks {
  readonly database: () => Promise<boolean>;
  readonly temporal: () => Promise<boolean>;
  readonly storage: () => Promise<boolean>;
}

const LONGEST_CHECK_MS = 4_000;
/** Anybody may ask, so an answer serves everybody who asks within this time. */
const REUSE_MS = 2_000;
const tags = ['Server'];
const checkSchema = z.enum(['ok', 'failing']);

/** Whether the server lives, whether it can work, and what its error codes mean. */
export function createHealthRoutes(checks: ReadinessChecks, now: () => Date): OpenAPIHono<AppEnv> {
  const lookAtAll = reuse(() => lookAt(checks), now);
  return createRouter()
    .openapi(healthRoute, (c) => c.json({ status: 'ok' as const }, 200))
    .openapi(readyRoute, async (c) => {
      const results = await lookAtAll();
      const isReady = Object.values(results).every((result) => result === 'ok');
      const answer = {
        status: isReady ? ('ready' as const) : ('not-ready' as const),
        checks: results,
      };
      return isReady ? c.json(answer, 200) : c.json(answer, 503);
    })
    .openapi(problemRoute, (c) => {
      const { code } = c.req.valid('param');
      if (!isErrorCode(code)) throw new AppError('not-found');
      const { title, status, fault, retry } = ERRORS[code];
      return c.json({ code, title, status, fault, retry }, 200);
    });
}

function reuse<T>(ask: () => Promise<T>, now: () => Date): () => Promise<T> {
  let last: { readonly askedMs: number; readonly answer: Promise<T> } | undefined;
  return () => {
    const askedMs = now().getTime();
    if (last === undefined || askedMs - last.askedMs >= REUSE_MS) last = { askedMs, answer: ask() };
    return last.answer;
  };
}

async function lookAt(checks: ReadinessChecks) {
  const [database, temporal, storage] = await Promise.all([
    look(checks.database),
    look(checks.temporal),
    look(checks.storage),
  ]);
  return { database, temporal, storage };
}

async function look(check: () => Promise<boolean>): Promise<'ok' | 'failing'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), LONGEST_CHECK_MS);
  });
  try {
    return (await Promise.race([check(), late])) ? 'ok' : 'failing';
  } catch {
    return 'failing';
  } finally {
    clearTimeout(timer);
  }
}

const readinessSchema = z
  .object({
    status: z.enum(['ready', 'not-ready']),
    checks: z.object({ database: checkSchema, temporal: checkSchema, storage: checkSchema }),
  })
  .openapi('Readiness');

const healthRoute = createRoute({
  method: 'get',
  path: '/healthz',
  tags,
  summary: 'Whether the process lives',
  security: [],
  responses: { 200: json(z.object({ status: z.literal('ok') }), 'It does.'), default: problem },
});

const readyRoute = createRoute({
  method: 'get',
  path: '/readyz',
  tags,
  summary: 'Whether everything that the API needs works',
  security: [],
  responses: {
    200: json(readinessSchema, 'Everything works.'),
    503: json(readinessSchema, 'Something does not.'),
    default: problem,
  },
});

const problemRoute = createRoute({
  method: 'get',
  path: '/problems/{code}',
  tags,
  summary: 'What an error code means',
  security: [],
  request: { params: z.object({ code: z.string().max(100) }) },
  responses: {
    200: json(
      z.object({
        code: z.string(),
        title: z.string(),
        status: z.int(),
        fault: z.string(),
        retry: z.string(),
      }),
      'Whose fault it is, and whether trying again can help.',
    ),
    default: problem,
  },
});
