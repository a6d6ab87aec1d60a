import { beforeEach, describe, expect, it } from '@jest/globals';
import { createRecall, type Recall } from '../../../src/usecases/recall.ts';

describe('recall', () => {
  let nowMs: number;
  let looks: number;
  let recall: Recall;
  beforeEach(() => {
    nowMs = 0;
    looks = 0;
    recall = createRecall({ keepMs: 1_000, now: () => nowMs });
  });
  const look = () => Promise.resolve((looks += 1));

  it('believes what was found for a while, and then looks again', async () => {
    expect(await recall.find('a', look)).toBe(1);
    nowMs = 999;
    expect(await recall.find('a', look)).toBe(1);
    expect(await recall.find('b', look)).toBe(2);
    nowMs = 1_000;
    expect(await recall.find('a', look)).toBe(3);
  });

  it('looks once for all who ask at the same time', async () => {
    expect(await Promise.all([recall.find('a', look), recall.find('a', look)])).toEqual([1, 1]);
  });

  it('keeps no refusal', async () => {
    await expect(recall.find('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await recall.find('a', look)).toBe(1);
  });

  it('forgets, also what was being looked up meanwhile', async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    const early = recall.find('a', () => promise);
    recall.forget();
    resolve(-1);
    expect(await early).toBe(-1);
    expect(await recall.find('a', look)).toBe(1);
  });

  it('keeps nothing where it is told so, and never more than so much', async () => {
    const none = createRecall({ keepMs: 0 });
    await none.find('a', look);
    expect(await none.find('a', look)).toBe(2);
    await recall.find('first', look);
    for (let index = 0; index < 2_000; index += 1) await recall.find(String(index), look);
    const before = looks;
    await recall.find('1999', look);
    expect(looks).toBe(before);
    await recall.find('first', look);
    expect(looks).toBe(before + 1);
  });
});
