/** A reason not to start, or to give up, that a person can act on. Its message is one sentence and is shown alone. */
export class StackProblem extends Error {
  override readonly name = 'StackProblem';
}
