import { UniqueConstraintViolationException } from '@mikro-orm/core';
import { AppError } from '../domain/errors.ts';
import { Category } from './entities/category.ts';
import { Video } from './entities/video.ts';
import type { EntityManager } from './orm.ts';

export interface CategoryRecord {
  readonly id: number;
  readonly name: string;
  readonly createdAt: Date;
}

/** By name. */
export async function listCategories(em: EntityManager): Promise<readonly CategoryRecord[]> {
  const categories = await em.find(
    Category,
    {},
    { orderBy: { name: 'asc', id: 'asc' }, disableIdentityMap: true },
  );
  return categories.map(toRecord);
}

export async function findCategory(
  em: EntityManager,
  id: number,
): Promise<CategoryRecord | undefined> {
  const category = await em.findOne(Category, { id }, { disableIdentityMap: true });
  return category === null ? undefined : toRecord(category);
}

/** @throws `name-taken`, whatever the case of the letters */
export async function insertCategory(em: EntityManager, name: string): Promise<CategoryRecord> {
  const id = await refuseTakenName(() => em.insert(Category, { name }));
  return toRecord(await em.findOneOrFail(Category, { id }, { disableIdentityMap: true }));
}

/** @returns false when there is no such category @throws `name-taken` */
export async function renameCategory(
  em: EntityManager,
  id: number,
  name: string,
): Promise<boolean> {
  return (await refuseTakenName(() => em.nativeUpdate(Category, { id }, { name }))) > 0;
}

/** @throws `category-in-use` while a video that is not deleted has it */
export async function deleteCategory(em: EntityManager, id: number): Promise<boolean> {
  if ((await em.count(Video, { categoryId: id, deletedAt: null })) > 0)
    throw new AppError('category-in-use');
  return (await em.nativeDelete(Category, { id })) > 0;
}

async function refuseTakenName<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (!(error instanceof UniqueConstraintViolationException)) throw error;
    throw new AppError('name-taken', {}, { cause: error });
  }
}

function toRecord(category: Category): CategoryRecord {
  return { id: category.id, name: category.name, createdAt: category.createdAt };
}
