import { deleteSessionsOfUser } from '../db/sessions.ts';
import {
  findUserByEmail,
  insertUser,
  listUsers,
  setPasswordHash,
  setUserRole,
  type UserRecord,
} from '../db/users.ts';
import { AppError } from '../domain/errors.ts';
import type { Role } from '../domain/video.ts';
import { type ApiKeyRequest, createApiKeyFor } from './api-keys.ts';
import type { UseCaseDeps } from './deps.ts';

type Deps = Pick<UseCaseDeps, 'database' | 'passwords' | 'now'>;

/** What commands on the server may do with users; nobody is asked for a login there. */
export interface UserAdministration {
  /** @throws `email-taken` */
  add(user: { email: string; password: string; role: Role }): Promise<void>;
  list(): Promise<readonly UserRecord[]>;
  /** @throws `user-not-found` */
  setRole(email: string, role: Role): Promise<void>;
  /** Logs the user out everywhere. API keys stay. @throws `user-not-found` */
  resetPassword(email: string, password: string): Promise<void>;
  /** @returns the key, shown once @throws `user-not-found`, `permission-denied` */
  createKey(email: string, request: ApiKeyRequest): Promise<string>;
}

export function createUserAdministration(deps: Deps): UserAdministration {
  const { database, passwords } = deps;
  const requireUser = async (email: string): Promise<UserRecord> => {
    const user = await database.run((em) => findUserByEmail(em, email));
    if (user === undefined)
      throw new AppError('user-not-found', { detail: `There is no user ${email}.` });
    return user;
  };
  return {
    async add({ email, password, role }) {
      const passwordHash = await passwords.hash(password);
      await database.run((em) => insertUser(em, { email, passwordHash, role }));
    },
    list: () => database.run(listUsers),
    async setRole(email, role) {
      const user = await requireUser(email);
      await database.run((em) => setUserRole(em, user.id, role));
    },
    async resetPassword(email, password) {
      const user = await requireUser(email);
      const passwordHash = await passwords.hash(password);
      await database.transact(async (em) => {
        await setPasswordHash(em, user.id, passwordHash);
        await deleteSessionsOfUser(em, user.id);
      });
    },
    async createKey(email, request) {
      const user = await requireUser(email);
      return (await createApiKeyFor(deps, user, request)).key;
    },
  };
}
