import { parseArgs } from 'node:util';

/** The command line was wrong; the message says how it would be right. */
export class UsageError extends Error {}

/** A whole number from 1 to `most`, with what it is when left out. */
interface Count {
  readonly most: number;
  readonly otherwise: number;
}

/** What a benchmark lets one choose. */
export interface Choices<Part extends string, Name extends string> {
  /** As in `npm run …`. */
  readonly command: string;
  /** What can be measured, each by itself. */
  readonly parts: readonly Part[];
  readonly counts: Readonly<Record<Name, Count>>;
  readonly flags?: readonly string[];
}

export interface Chosen<Part extends string, Name extends string> {
  /** Undefined: all, or what the flags say. */
  readonly only: ReadonlySet<Part> | undefined;
  readonly counts: Readonly<Record<Name, number>>;
  readonly flags: ReadonlySet<string>;
}

/** @throws UsageError */
export function readChoices<Part extends string, Name extends string>(
  args: readonly string[],
  choices: Choices<Part, Name>,
): Chosen<Part, Name> {
  const { parts, flags = [] } = choices;
  const counts = Object.entries(choices.counts) as [Name, Count][];
  const fail = (what: string, cause?: unknown) =>
    new UsageError(`${what}\n${usageOf(choices)}`, { cause });
  const values = parse(args, [...counts.map(([name]) => name), 'only'], flags, fail);
  const only = values['only']?.toString().split(',');
  const unknown = only?.find((part) => !(parts as readonly string[]).includes(part));
  if (unknown !== undefined) throw fail(`There is no part “${unknown}”.`);
  const chosen = counts.map(([name, { most, otherwise }]) => {
    const value = Number(values[name] ?? otherwise);
    if (!Number.isInteger(value) || value < 1 || value > most)
      throw fail(`--${name} is a whole number from 1 to ${most}.`);
    return [name, value] as const;
  });
  return {
    only: only && new Set(only as Part[]),
    counts: Object.fromEntries(chosen) as Record<Name, number>,
    flags: new Set(flags.filter((flag) => values[flag] === true)),
  };
}

function parse(
  args: readonly string[],
  texts: readonly string[],
  flags: readonly string[],
  fail: (what: string, cause: unknown) => UsageError,
) {
  const options = Object.fromEntries([
    ...texts.map((name) => [name, { type: 'string' as const }]),
    ...flags.map((name) => [name, { type: 'boolean' as const }]),
  ]);
  try {
    return parseArgs({ args: [...args], options }).values as Record<string, string | boolean>;
  } catch (error) {
    throw fail((error as Error).message, error);
  }
}

function usageOf({ command, parts, counts, flags = [] }: Choices<string, string>): string {
  const numbers = Object.entries(counts).map(([name, { otherwise }]) => `[--${name} ${otherwise}]`);
  const words = [`[--only ${parts.join(',')}]`, ...numbers, ...flags.map((flag) => `[--${flag}]`)];
  return `npm run ${command} -- ${words.join(' ')}`;
}
