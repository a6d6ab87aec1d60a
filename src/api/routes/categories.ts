import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import {
  changeCategory,
  createCategory,
  listAllCategories,
  removeCategory,
} from '../../usecases/categories.ts';
import type { UseCaseDeps } from '../../usecases/deps.ts';
import type { AppEnv } from '../app-env.ts';
import { createRouter } from '../router.ts';
import { json, jsonBody, problem } from '../schemas/answers.ts';
import { id, idText, line, timestamp } from '../schemas/fields.ts';

const tags = ['Categories'];

const categorySchema = z
  .object({ id: id(), name: z.string(), createdAt: timestamp() })
  .openapi('Category');
const categoryBody = z.strictObject({ name: line(100) }).openapi('CategoryName');
const params = z.object({ id: idText() });

/** Categories: everybody reads, administrators write. */
export function createCategoryRoutes(deps: UseCaseDeps): OpenAPIHono<AppEnv> {
  return createRouter()
    .openapi(listRoute, async (c) =>
      c.json({ data: (await listAllCategories(deps)).map(present) }, 200),
    )
    .openapi(addRoute, async (c) => {
      const category = await createCategory(deps, c.var.viewer, c.req.valid('json').name);
      return c.json(present(category), 201, { Location: `/categories/${category.id}` });
    })
    .openapi(renameRoute, async (c) => {
      const { name } = c.req.valid('json');
      return c.json(
        present(await changeCategory(deps, c.var.viewer, c.req.valid('param').id, name)),
        200,
      );
    })
    .openapi(deleteRoute, async (c) => {
      await removeCategory(deps, c.var.viewer, c.req.valid('param').id);
      return c.body(null, 204);
    });
}

function present(category: Awaited<ReturnType<typeof createCategory>>) {
  return { ...category, createdAt: category.createdAt.toISOString() };
}

const listRoute = createRoute({
  method: 'get',
  path: '/categories',
  tags,
  summary: 'List all categories by name',
  responses: {
    200: json(z.object({ data: z.array(categorySchema) }), 'All categories.'),
    default: problem,
  },
});

const addRoute = createRoute({
  method: 'post',
  path: '/categories',
  tags,
  summary: 'Make a category (administrators)',
  request: { body: jsonBody(categoryBody) },
  responses: { 201: json(categorySchema, 'The category.'), default: problem },
});

const renameRoute = createRoute({
  method: 'patch',
  path: '/categories/{id}',
  tags,
  summary: 'Rename a category (administrators)',
  request: { params, body: jsonBody(categoryBody) },
  responses: { 200: json(categorySchema, 'The category as it is now.'), default: problem },
});

const deleteRoute = createRoute({
  method: 'delete',
  path: '/categories/{id}',
  tags,
  summary: 'Delete a category that no video has (administrators)',
  request: { params },
  responses: { 204: { description: 'It is gone.' }, default: problem },
});
