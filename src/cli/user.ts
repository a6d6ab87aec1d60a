import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import { ConfigError, loadDatabaseConfig } from '../config/env.ts';
import { AppError } from '../domain/errors.ts';
import { ROLES, type Role, SCOPES, type Scope } from '../domain/video.ts';
import type { UserAdministration } from '../usecases/manage-users.ts';
import { generatePassword } from '../usecases/passwords.ts';

const USAGE = `Usage: npm run user -- COMMAND

  add EMAIL [--role admin|member]        make a user
  list                                   show all users
  role EMAIL admin|member                change what a user may do
  reset-password EMAIL                   set a new password and log the user out everywhere
  key EMAIL [--name NAME] [--scopes read,write,admin]
                                         make an API key and print it

Passwords are asked for in a terminal; an empty one, or no terminal, makes one up and prints it.`;

/** What was typed makes no command. */
class UsageError extends Error {}

const SHORTEST_PASSWORD = 8;

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof UsageError) process.stderr.write(`${error.message}\n\n${USAGE}\n`);
  else if (error instanceof AppError || error instanceof ConfigError)
    process.stderr.write(`${error.message}\n`);
  else throw error;
  process.exitCode = 1;
}

async function main(argv: readonly string[]): Promise<void> {
  if (argv.includes('--help')) return print(USAGE);
  const command = readCommand(argv);
  // Only now: it brings in everything, and a typing error should be told at once.
  const { composeUserAdministration } = await import('../composition.ts');
  const { users, close } = await composeUserAdministration(loadDatabaseConfig().databaseUrl);
  try {
    await command(users);
  } finally {
    await close();
  }
}

type Command = (users: UserAdministration) => Promise<void>;

function readCommand(argv: readonly string[]): Command {
  const { name, email, rest, options } = readArguments(argv);
  const role = options.role;
  switch (name) {
    case 'list':
      return list;
    case 'add':
      return (users) => add(users, requireEmail(email), readRole(role ?? 'member'));
    case 'role': {
      const wanted = readRole(rest ?? '');
      const of = requireEmail(email);
      return async (users) => {
        await users.setRole(of, wanted);
        print(`${of} is ${wanted} now.`);
      };
    }
    case 'reset-password': {
      const of = requireEmail(email);
      return (users) => resetPassword(users, of);
    }
    case 'key': {
      const of = requireEmail(email);
      const request = {
        name: options.name ?? 'command line',
        scopes: readScopes(options.scopes),
        expiresAt: null,
      };
      return async (users) => print(await users.createKey(of, request));
    }
    case undefined:
      throw new UsageError('A command is missing.');
    default:
      throw new UsageError(`There is no command ${name}.`);
  }
}

function readArguments(argv: readonly string[]) {
  try {
    const { positionals, values } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { role: { type: 'string' }, name: { type: 'string' }, scopes: { type: 'string' } },
    });
    const [name, email, rest, ...tooMany] = positionals;
    if (tooMany.length > 0) throw new UsageError(`${tooMany.join(' ')} is too much.`);
    return { name, email, rest, options: values };
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError((error as Error).message);
  }
}

function requireEmail(email: string | undefined): string {
  if (email === undefined) throw new UsageError('An e-mail address is missing.');
  if (!/^[^\s@]+@[^\s@]+$/.test(email)) throw new UsageError(`${email} is not an e-mail address.`);
  return email;
}

function readRole(text: string): Role {
  const role = ROLES.find((each) => each === text);
  if (role === undefined) throw new UsageError(`A role is one of ${ROLES.join(', ')}.`);
  return role;
}

function readScopes(text = 'read,write'): readonly Scope[] {
  return text.split(',').map((word) => {
    const scope = SCOPES.find((each) => each === word.trim());
    if (scope === undefined) throw new UsageError(`A scope is one of ${SCOPES.join(', ')}.`);
    return scope;
  });
}

async function add(users: UserAdministration, email: string, role: Role): Promise<void> {
  const { password, isMadeUp } = await choosePassword();
  await users.add({ email, password, role });
  print(`${email} was added as ${role}.`);
  if (isMadeUp) print(`Password, shown this once: ${password}`);
}

async function resetPassword(users: UserAdministration, email: string): Promise<void> {
  const { password, isMadeUp } = await choosePassword();
  await users.resetPassword(email, password);
  print(`${email} has a new password and is logged out everywhere.`);
  if (isMadeUp) print(`Password, shown this once: ${password}`);
}

async function list(users: UserAdministration): Promise<void> {
  for (const { id, email, role, createdAt } of await users.list()) {
    print(`${String(id).padStart(6)}  ${role.padEnd(6)}  ${createdAt.toISOString()}  ${email}`);
  }
}

async function choosePassword(): Promise<{ password: string; isMadeUp: boolean }> {
  const typed = process.stdin.isTTY ? await askHidden('Password (empty: make one up): ') : '';
  if (typed === '') return { password: generatePassword(), isMadeUp: true };
  if (typed.length < SHORTEST_PASSWORD) {
    throw new UsageError(`A password has at least ${SHORTEST_PASSWORD} characters.`);
  }
  return { password: typed, isMadeUp: false };
}

/** What is typed is not shown. */
async function askHidden(question: string): Promise<string> {
  process.stdout.write(question);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  try {
    return await reader.question('');
  } finally {
    reader.close();
    process.stdout.write('\n');
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
