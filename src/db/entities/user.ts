import { defineEntity, p } from '@mikro-orm/core';
import { ROLES } from '../../domain/video.ts';

/** Somebody who owns videos. Without a password only API keys log in. */
const UserSchema = defineEntity({
  name: 'User',
  tableName: 'users',
  properties: {
    id: p.integer().primary(),
    /** Lower case; unique. */
    email: p.text().unique('users_email_unique').check('email = lower(email)'),
    /** PHC string of argon2id. */
    passwordHash: p.text().nullable(),
    role: p.enum(ROLES),
    createdAt: p.datetime().defaultRaw('now()').$type<Date>(),
  },
});

export class User extends UserSchema.class {}
UserSchema.setClass(User);
