import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError, loadStackConfig, readEnvironment } from '../config/env.ts';
import { openLocalServer } from './client/local-server.ts';
import { createMeter } from './client/meter.ts';
import { CommandProblem } from './client/problem.ts';
import { runCommand } from './client/run-command.ts';
import type { Server } from './client/server.ts';
import {
  describeProgress,
  describeStorage,
  type MigrationAnswer,
  type StorageAnswer,
} from './migrate-storage/describe-storage.ts';
import { readStorageCommand } from './migrate-storage/read-arguments.ts';

/**
 * `npm run migrate-storage -- …`: has the running stack move what is stored from one store to another, and shows how far it is.
 * Ends with 1 where not everything was moved, and with 130 after Ctrl-C, which does not end the moving.
 */

const PATH = '/admin/storage/migrate';
const EVERY_MS = 1_000;

await runCommand(main, ConfigError);

async function main(args: readonly string[], signal: AbortSignal): Promise<void> {
  const command = readStorageCommand(args);
  const adminApiKey = readEnvironment()['ADMIN_API_KEY']?.trim();
  const server = await openLocalServer({ ...loadStackConfig(), adminApiKey }, signal);
  switch (command.verb) {
    case 'move':
      await server.ask('POST', PATH, command.request);
      return follow(server, signal);
    case 'status':
      return print(await look(server));
    case 'cancel':
      return print(await server.ask('DELETE', PATH));
    case 'pause':
    case 'resume':
      return print(await server.ask('POST', `${PATH}/${command.verb}`));
  }
}

/** Until it has ended, over restarts of the server too. */
async function follow(server: Server, signal: AbortSignal): Promise<void> {
  const meter = createMeter('Moving', process.stdout);
  for (;;) {
    const storage = await lookPastRestart(server, signal);
    const migration = storage?.migration;
    if (migration) {
      const { fraction, words } = describeProgress(migration);
      meter.show(fraction, words);
      if (hasEnded(migration)) {
        meter.end();
        print(storage);
        if (migration.state !== 'completed' || migration.failed.objects > 0)
          throw new CommandProblem('Not everything was moved; the same line tries it again.');
        return;
      }
    }
    await sleep(EVERY_MS, undefined, { signal });
  }
}

function hasEnded({ state }: MigrationAnswer): boolean {
  return state !== 'moving' && state !== 'paused';
}

function look(server: Server): Promise<StorageAnswer> {
  return server.ask('GET', PATH);
}

/** @returns undefined while nobody answers */
async function lookPastRestart(
  server: Server,
  signal: AbortSignal,
): Promise<StorageAnswer | undefined> {
  try {
    return await look(server);
  } catch (error) {
    if (signal.aborted || error instanceof CommandProblem) throw error;
    return undefined;
  }
}

function print(storage: StorageAnswer): void {
  process.stdout.write(`${describeStorage(storage).join('\n')}\n`);
}
