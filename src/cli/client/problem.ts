/** What a person should read, and no more than that. */
export class CommandProblem extends Error {}

/** The server understood and said no; `code` is one of the product's, where it is the product that answers. */
export class Refusal extends CommandProblem {
  readonly code: string | undefined;

  constructor(status: number, answer: { code?: string; title?: string; detail?: string }) {
    super(
      `The server refuses (${status}): ${answer.detail ?? answer.title ?? 'it does not say why'}`,
    );
    this.code = answer.code;
  }
}
