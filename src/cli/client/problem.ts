/** What a person should read, and no more than that. */
export class CommandProblem extends Error {}

interface RefusalAnswer {
  readonly code?: string;
  readonly title?: string;
  readonly detail?: string;
  /** The values that are to blame, each with what is wrong with it. */
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
}

/** The server understood and said no; `code` is one of the product's, where it is the product that answers. */
export class Refusal extends CommandProblem {
  readonly code: string | undefined;

  constructor(status: number, answer: RefusalAnswer) {
    const reason = answer.detail ?? answer.title ?? 'it does not say why';
    const values = (answer.errors ?? []).map(({ path, message }) => `  ${path}: ${message}`);
    super([`The server refuses (${status}): ${reason}`, ...values].join('\n'));
    this.code = answer.code;
  }
}
