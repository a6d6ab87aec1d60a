import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandProblem } from './problem.ts';
import { createServerClient, type Server } from './server.ts';

/** Settings of a stack on this machine. */
export interface LocalStack {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  /** Where the operator has set one. */
  readonly adminApiKey: string | undefined;
}

/** The stack that runs with these settings, as its administrator. @throws CommandProblem where none does */
export async function openLocalServer(stack: LocalStack, signal: AbortSignal): Promise<Server> {
  const server = createServerClient({ url: localUrl(stack), apiKey: readApiKey(stack), signal });
  await server.check();
  return server;
}

/** Past any proxy. An address to listen on everywhere is no address to visit. */
function localUrl({ host, port }: LocalStack): string {
  const visit = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host;
  return `http://${visit.includes(':') ? `[${visit}]` : visit}:${port}`;
}

/** The file names the key that the running server accepts, also where the operator has set one. */
function readApiKey({ dataDir, adminApiKey }: LocalStack): string {
  const path = join(dataDir, 'admin-api-key');
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (adminApiKey) return adminApiKey;
    throw new CommandProblem(
      `There is no key in ${path}: run \`npm start\` in another terminal first, and set DATA_DIR here as there.`,
      { cause: error },
    );
  }
}
