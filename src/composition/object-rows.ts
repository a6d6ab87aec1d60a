import type { Database } from '../db/database.ts';
import { findMovableObjects, listNamedObjects } from '../db/named-objects.ts';
import { withoutOwner } from '../db/pieces.ts';
import type { ObjectRows } from '../storage/save-objects.ts';

/** Rows in one question. */
const PAGE = 1000;

/** What a backup asks the database about objects. */
export function createObjectRows(database: Database): ObjectRows {
  return {
    find: (keys) => database.run((em) => findMovableObjects(em, keys)),
    withoutOwner: (keys) => database.run((em) => withoutOwner(em, keys)),

    async *named() {
      let after: string | null = null;
      do {
        const options: { after: string | null; limit: number } = { after, limit: PAGE };
        const page = await database.run((em) => listNamedObjects(em, options));
        yield page;
        after = page.length < PAGE ? null : (page.at(-1)?.key ?? null);
      } while (after !== null);
    },
  };
}
