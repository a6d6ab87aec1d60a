import { isId } from '../domain/ids.ts';

/** A place in a list, as callers carry it: the list's name and the id of the last row, so that a cursor fits its list only. */
export function encodeCursor(list: string, lastId: number | null): string | null {
  return lastId === null ? null : Buffer.from(`${list}:${lastId}`).toString('base64url');
}

/** @returns undefined for anything that `encodeCursor` did not make for this list */
export function decodeCursor(list: string, cursor: string): number | undefined {
  const decoded = Buffer.from(cursor, 'base64url').toString('latin1');
  const prefix = `${list}:`;
  const lastId = Number(decoded.slice(prefix.length));
  return isId(lastId) && encodeCursor(list, lastId) === cursor ? lastId : undefined;
}
