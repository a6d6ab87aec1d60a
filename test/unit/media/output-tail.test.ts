import { describe, expect, it } from '@jest/globals';

import { OutputTail } from '../../../src/media/output-tail.ts';

describe('OutputTail', () => {
  it('keeps a short text whole', () => {
    const tail = new OutputTail(800);
    tail.append('first\n');
    tail.append('x'.repeat(400));
    expect(tail.text()).toBe(`first\n${'x'.repeat(400)}`);
  });

  it('keeps the first and the last lines of a flood in limited memory', () => {
    const tail = new OutputTail(800);
    tail.append('the cause\n');
    for (let line = 0; line < 10_000; line += 1) tail.append(`noise ${line}\n`);
    expect(tail.text()).toMatch(/^the cause\n/);
    expect(tail.text()).toMatch(/noise 9999\n$/);
    expect(tail.text().length).toBeLessThan(820);
  });
});
