import { defineEntity, p } from '@mikro-orm/core';

const CategorySchema = defineEntity({
  name: 'Category',
  tableName: 'categories',
  properties: {
    id: p.integer().primary(),
    name: p.text(),
    createdAt: p.datetime().defaultRaw('now()').$type<Date>(),
  },
  uniques: [
    {
      name: 'categories_name_unique',
      expression: 'create unique index "categories_name_unique" on "categories" (lower("name"))',
    },
  ],
});

export class Category extends CategorySchema.class {}
CategorySchema.setClass(Category);
