import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { MOST_FINDINGS, RECONCILE_COUNTS } from '../../domain/reconcile-report.ts';
import type { UseCaseDeps } from '../../usecases/deps.ts';
import { listReconcileReports } from '../../usecases/reconcile-reports.ts';
import type { AppEnv } from '../app-env.ts';
import { createRouter } from '../router.ts';
import { json, problem } from '../schemas/answers.ts';
import { limit } from '../schemas/fields.ts';

/** What the clean-up has found, for administrators. */
export function createReconcileRoutes(deps: Pick<UseCaseDeps, 'database'>): OpenAPIHono<AppEnv> {
  return createRouter().openapi(listRoute, async (c) => {
    const { limit: most } = c.req.valid('query');
    return c.json({ data: await listReconcileReports(deps, c.var.viewer, most) }, 200);
  });
}

const findingSchema = z
  .object({
    code: z.string(),
    videoId: z.int().nullable(),
    subject: z.string().openapi({ description: 'A workflow id, an object key, or a step.' }),
    detail: z.string(),
  })
  .openapi('ReconcileFinding');

const reportSchema = z
  .object({
    id: z.int(),
    startedAt: z.iso.datetime(),
    finishedAt: z.iso.datetime(),
    durationSeconds: z.number(),
    workflowId: z.string(),
    counts: z.object(
      Object.fromEntries(RECONCILE_COUNTS.map((name) => [name, z.int()])) as Record<
        (typeof RECONCILE_COUNTS)[number],
        z.ZodInt
      >,
    ),
    findingCounts: z
      .record(z.string(), z.int())
      .openapi({ description: 'How many findings there were of each code.' }),
    findings: z
      .array(findingSchema)
      .readonly()
      .openapi({ description: `The first ${MOST_FINDINGS} of them.` }),
  })
  .openapi('ReconcileReport');

const listRoute = createRoute({
  method: 'get',
  path: '/admin/reconcile',
  tags: ['Server'],
  summary: 'What the clean-up of the last days found and did, newest first: administrators only',
  request: { query: z.object({ limit: limit(20) }) },
  responses: {
    200: json(z.object({ data: z.array(reportSchema).readonly() }), 'Reports, of a week at most.'),
    default: problem,
  },
});
