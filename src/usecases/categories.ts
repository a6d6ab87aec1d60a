import {
  type CategoryRecord,
  deleteCategory,
  findCategory,
  insertCategory,
  listCategories,
  renameCategory,
} from '../db/categories.ts';
import type { EntityManager } from '../db/orm.ts';
import { AppError } from '../domain/errors.ts';
import type { UseCaseDeps } from './deps.ts';
import { requireAdmin, type Viewer } from './viewer.ts';

type Deps = Pick<UseCaseDeps, 'database'>;

/** Everybody sees all categories; only administrators change them. */
export async function listAllCategories(deps: Deps): Promise<readonly CategoryRecord[]> {
  return deps.database.run(listCategories);
}

/** @throws `permission-denied`, `name-taken` */
export async function createCategory(
  deps: Deps,
  viewer: Viewer,
  name: string,
): Promise<CategoryRecord> {
  requireAdmin(viewer);
  return deps.database.run((em) => insertCategory(em, name));
}

/** @throws `permission-denied`, `category-not-found`, `name-taken` */
export async function changeCategory(
  deps: Deps,
  viewer: Viewer,
  id: number,
  name: string,
): Promise<CategoryRecord> {
  requireAdmin(viewer);
  return deps.database.run(async (em) => {
    await renameCategory(em, id, name);
    const category = await findCategory(em, id);
    if (category === undefined) throw new AppError('category-not-found');
    return category;
  });
}

/** @throws `permission-denied`, `category-not-found`, `category-in-use` */
export async function removeCategory(deps: Deps, viewer: Viewer, id: number): Promise<void> {
  requireAdmin(viewer);
  const removed = await deps.database.run((em) => deleteCategory(em, id));
  if (!removed) throw new AppError('category-not-found');
}

/** For a field that names a category. @throws `validation-failed` */
export async function requireCategoryField(
  em: EntityManager,
  categoryId: number,
  path: string,
): Promise<void> {
  if ((await findCategory(em, categoryId)) !== undefined) return;
  throw new AppError('validation-failed', {
    errors: [{ path, message: 'There is no such category.' }],
  });
}
