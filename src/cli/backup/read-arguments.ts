import { resolve } from 'node:path';
import { CommandProblem } from '../client/problem.ts';

/** What is to be saved, and where. */
export interface BackupCommand {
  /** Absolute. */
  readonly folder: string;
  readonly media: boolean;
  readonly database: boolean;
}

const USAGE = 'Usage: npm run backup -- FOLDER [--without-media] [--without-database]';
const OPTIONS = ['--without-media', '--without-database'];

/** @throws CommandProblem with the usage */
export function readBackupCommand(args: readonly string[]): BackupCommand {
  const [folder, ...more] = args.filter((argument) => !argument.startsWith('-'));
  const options = args.filter((argument) => argument.startsWith('-'));
  if (!folder || more.length > 0 || options.some((option) => !OPTIONS.includes(option)))
    throw new CommandProblem(USAGE);
  return {
    folder: resolve(process.env['INIT_CWD'] ?? '.', folder),
    media: !options.includes('--without-media'),
    database: !options.includes('--without-database'),
  };
}
