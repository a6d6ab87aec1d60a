import { createHash, randomInt, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';

/**
 * `vk_<public id>_<secret><checksum>`, all base62: 10 characters that name the key, 22 of secret (131 bits), and 6 that tell a
 * mistyped key, or one found by a scanner, without asking the database.
 */
export interface ApiKeyParts {
  readonly publicId: string;
  readonly secret: string;
}

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const SHAPE = /^vk_([0-9A-Za-z]{10})_([0-9A-Za-z]{22})([0-9A-Za-z]{6})$/;

export function generateApiKey(): ApiKeyParts & { readonly key: string } {
  const publicId = randomBase62(10);
  const secret = randomBase62(22);
  return { publicId, secret, key: `vk_${publicId}_${secret}${checksum(publicId, secret)}` };
}

/** @returns undefined for anything that is not a whole key of ours */
export function parseApiKey(key: string): ApiKeyParts | undefined {
  const [, publicId, secret, tail] = SHAPE.exec(key) ?? [];
  if (publicId === undefined || secret === undefined || tail !== checksum(publicId, secret))
    return undefined;
  return { publicId, secret };
}

/** How secrets and tokens are kept: they are random, so a fast hash is enough. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** Takes equally long wherever the two differ. */
export function matchesHash(secret: string, hash: string): boolean {
  const actual = Buffer.from(hashSecret(secret), 'hex');
  const expected = Buffer.from(hash, 'hex');
  return actual.length === expected.length && timingSafeEqual(actual, expected);
}

function randomBase62(length: number): string {
  return Array.from({ length }, () => BASE62[randomInt(BASE62.length)]).join('');
}

function checksum(publicId: string, secret: string): string {
  let rest = crc32(`${publicId}_${secret}`);
  let tail = '';
  for (let digit = 0; digit < 6; digit += 1) {
    tail = `${BASE62[rest % 62]}${tail}`;
    rest = Math.floor(rest / 62);
  }
  return tail;
}
