import { expect, it } from '@jest/globals';
import { addressSeconds } from '../../../src/domain/address-seconds.ts';

it.each([
  [null, 3_600],
  [25, 3_600],
  [1_800.2, 3_601],
  [6 * 3_600, 12 * 3_600],
  [1_000_000, 604_800],
])('a viewer of a video of %p s has an address for %p s', (durationSeconds, seconds) => {
  expect(addressSeconds(durationSeconds)).toBe(seconds);
});
