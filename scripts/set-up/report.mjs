/** What set-up tells people: one line a step, and one sentence where it cannot go on. */

/** A reason to stop that a person can act on; shown alone, without a stack. */
export class Problem extends Error {}

/**
 * Only called where something is done: a set-up with nothing to do is silent.
 * @param {string} line
 */
export function say(line) {
  process.stdout.write(`set-up │ ${line}\n`);
}
