import { UniqueConstraintViolationException } from '@mikro-orm/core';
import { AppError } from '../domain/errors.ts';
import type { UserId } from '../domain/ids.ts';
import type { Role } from '../domain/video.ts';
import { User } from './entities/user.ts';
import type { EntityManager } from './orm.ts';

/** A row of `users`, plain. */
export interface UserRecord {
  readonly id: UserId;
  /** Lower case. */
  readonly email: string;
  readonly passwordHash: string | null;
  readonly role: Role;
  readonly createdAt: Date;
}

/** @param user.email in any case @throws `email-taken` */
export async function insertUser(
  em: EntityManager,
  user: { email: string; passwordHash: string | null; role: Role },
): Promise<UserId> {
  try {
    const id = await em.insert(User, { ...user, email: normalizeEmail(user.email) });
    return id as UserId;
  } catch (error) {
    if (!(error instanceof UniqueConstraintViolationException)) throw error;
    throw new AppError('email-taken', {}, { cause: error });
  }
}

export async function findUser(em: EntityManager, id: number): Promise<UserRecord | undefined> {
  return toRecord(await em.findOne(User, { id }, { disableIdentityMap: true }));
}

/** @param email in any case */
export async function findUserByEmail(
  em: EntityManager,
  email: string,
): Promise<UserRecord | undefined> {
  return toRecord(
    await em.findOne(User, { email: normalizeEmail(email) }, { disableIdentityMap: true }),
  );
}

/** The administrator who came first. */
export async function findFirstAdmin(em: EntityManager): Promise<UserRecord | undefined> {
  const options = { orderBy: { id: 'asc' }, disableIdentityMap: true } as const;
  return toRecord(await em.findOne(User, { role: 'admin' }, options));
}

/** In the order in which they came. */
export async function listUsers(em: EntityManager): Promise<readonly UserRecord[]> {
  const users = await em.find(User, {}, { orderBy: { id: 'asc' }, disableIdentityMap: true });
  return users.flatMap((user) => toRecord(user) ?? []);
}

export async function setUserRole(em: EntityManager, id: UserId, role: Role): Promise<void> {
  await em.nativeUpdate(User, { id }, { role });
}

export async function setPasswordHash(
  em: EntityManager,
  id: UserId,
  passwordHash: string,
): Promise<void> {
  await em.nativeUpdate(User, { id }, { passwordHash });
}

function normalizeEmail(email: string): string {
  return email.trim().toLowerCase();
}

function toRecord(user: User | null): UserRecord | undefined {
  if (user === null) return undefined;
  return {
    id: user.id as UserId,
    email: user.email,
    passwordHash: user.passwordHash ?? null,
    role: user.role,
    createdAt: user.createdAt,
  };
}
