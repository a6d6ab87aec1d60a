import { parseArgs } from 'node:util';
import type { MigrationInput } from '../../domain/storage-migration.ts';
import { CommandProblem } from '../client/problem.ts';

const USAGE = `Usage: npm run migrate-storage -- COMMAND

  FROM TO [--videos 1,2] [--owner ID] [--before DATE] [--kinds original,streams] [--limit 20M]
                          move what lies in FROM to TO, and show how far it is;
                          Ctrl-C ends the showing, not the moving
  status                  show the stores, and how the newest migration stands
  pause, resume, cancel   a cancel leaves what is moved moved, and the rest where it is

Stores: local (MEDIA_ROOT), spaces (SPACES_…), old-spaces (OLD_SPACES_…).
--limit: bytes a second; K, M and G stand for their thousands.`;

const OPTIONS = {
  videos: { type: 'string' },
  owner: { type: 'string' },
  before: { type: 'string' },
  kinds: { type: 'string' },
  limit: { type: 'string' },
} as const;
type Options = Partial<Record<keyof typeof OPTIONS, string>>;

const STEERS = ['pause', 'resume', 'cancel'] as const;

/** What somebody has typed. */
export type StorageCommand =
  | { readonly verb: 'move'; readonly request: MigrationInput }
  | { readonly verb: 'status' | (typeof STEERS)[number] };

/** Names and ids are judged by the server, which says what they may be. @throws CommandProblem, with the usage */
export function readStorageCommand(args: readonly string[]): StorageCommand {
  const { positionals, options } = parse(args);
  const [first, to, ...rest] = positionals;
  if (first === undefined) throw usage('A command is missing.');
  if (rest.length > 0) throw usage('That is too much.');
  if (to !== undefined) return { verb: 'move', request: readRequest(first, to, options) };
  if (Object.keys(options).length > 0) throw usage('Options belong to FROM TO.');
  const verb = (['status', ...STEERS] as const).find((known) => known === first);
  if (verb === undefined) throw usage(`${first} is no command.`);
  return { verb };
}

function parse(args: readonly string[]): { positionals: string[]; options: Options } {
  try {
    const parsed = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
    return { positionals: parsed.positionals, options: { ...parsed.values } };
  } catch (error) {
    throw usage((error as Error).message);
  }
}

function readRequest(from: string, to: string, options: Options): MigrationInput {
  const { videos, owner, before, kinds, limit } = options;
  const filter = {
    ...(videos === undefined ? {} : { videoIds: videos.split(',').map(readId) }),
    ...(owner === undefined ? {} : { ownerId: readId(owner) }),
    ...(before === undefined ? {} : { uploadedBefore: readDate(before) }),
    ...(kinds === undefined ? {} : { kinds: kinds.split(',') }),
  };
  return {
    from,
    to,
    ...(Object.keys(filter).length === 0 ? {} : { filter }),
    ...(limit === undefined ? {} : { bytesPerSecond: readBytes(limit) }),
  } as MigrationInput;
}

function readId(text: string): number {
  if (!/^\d+$/.test(text.trim())) throw usage(`${text} is no id.`);
  return Number(text);
}

function readDate(text: string): string {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) throw usage(`${text} is no date, as in 2026-01-31.`);
  return date.toISOString();
}

function readBytes(text: string): number {
  const [, digits, unit = ''] = /^(\d+)([KMG]?)B?$/i.exec(text) ?? [];
  if (digits === undefined) throw usage(`${text} is no number of bytes, as in 20M.`);
  return Number(digits) * ({ K: 1e3, M: 1e6, G: 1e9 }[unit.toUpperCase()] ?? 1);
}

function usage(problem: string): CommandProblem {
  return new CommandProblem(`${problem}\n\n${USAGE}`);
}
