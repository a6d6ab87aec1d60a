import { defineEntity, p } from '@mikro-orm/core';
import type { Scope } from '../../domain/video.ts';
import { User } from './user.ts';

/** A key for programs, `vk_<publicId>_<secret>`; only a hash of the secret is kept. */
const ApiKeySchema = defineEntity({
  name: 'ApiKey',
  tableName: 'api_keys',
  properties: {
    id: p.integer().primary(),
    ownerId: () =>
      p
        .manyToOne(User)
        .mapToPk()
        .fieldName('owner_id')
        .deleteRule('cascade')
        .index('api_keys_owner_index'),
    publicId: p.text().unique('api_keys_public_id_unique'),
    /** SHA-256 of the secret, hex. */
    secretHash: p.text(),
    name: p.text(),
    scopes: p.array().$type<Scope[]>(),
    createdAt: p.datetime().defaultRaw('now()').$type<Date>(),
    expiresAt: p.datetime().nullable().$type<Date>(),
    revokedAt: p.datetime().nullable().$type<Date>(),
    /** Written at most once a minute. */
    lastUsedAt: p.datetime().nullable().$type<Date>(),
  },
});

export class ApiKey extends ApiKeySchema.class {}
ApiKeySchema.setClass(ApiKey);
