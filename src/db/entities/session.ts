import { defineEntity, p } from '@mikro-orm/core';
import { ApiKey } from './api-key.ts';
import { User } from './user.ts';

/** `browser`: a cookie. `login-link`: a link that becomes a cookie once. */
export const SESSION_KINDS = ['browser', 'login-link'] as const;

const SessionSchema = defineEntity({
  name: 'Session',
  tableName: 'sessions',
  properties: {
    id: p.integer().primary(),
    userId: () =>
      p
        .manyToOne(User)
        .mapToPk()
        .fieldName('user_id')
        .deleteRule('cascade')
        .index('sessions_user_index'),
    /** The key that it was made with, directly or by a link, and without which it is nothing. */
    apiKeyId: () =>
      p
        .manyToOne(ApiKey)
        .mapToPk()
        .nullable()
        .fieldName('api_key_id')
        .deleteRule('cascade')
        .index('sessions_api_key_index'),
    kind: p.enum(SESSION_KINDS),
    /** SHA-256 of the token, hex. */
    tokenHash: p.text().unique('sessions_token_hash_unique'),
    createdAt: p.datetime().defaultRaw('now()').$type<Date>(),
    expiresAt: p.datetime().$type<Date>(),
    lastSeenAt: p.datetime().nullable().$type<Date>(),
  },
});

export class Session extends SessionSchema.class {}
SessionSchema.setClass(Session);
