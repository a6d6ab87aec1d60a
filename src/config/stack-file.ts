import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What a running stack tells the programs beside it: where its own servers listen. */
export interface StackAddresses {
  readonly databaseUrl: string;
  readonly temporalAddress: string;
  /** Absent where the Temporal server is somebody else's. */
  readonly temporalUiUrl?: string;
}

/** Where the addresses of the stack of a data folder are kept. */
export function stackFilePath(dataDir: string): string {
  return join(dataDir, 'stack.json');
}

/** @returns undefined where no stack runs on this data folder, or its file cannot be read */
export function readStackFile(dataDir: string): StackAddresses | undefined {
  try {
    return JSON.parse(readFileSync(stackFilePath(dataDir), 'utf8')) as StackAddresses;
  } catch {
    return undefined;
  }
}

/** Replaces the file in one step; mode 0600, since the database URL holds a password. */
export function writeStackFile(dataDir: string, addresses: StackAddresses): void {
  const path = stackFilePath(dataDir);
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(addresses, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, path);
}

/** Called when the stack has stopped, so that nobody knocks at a closed door. Idempotent. */
export function removeStackFile(dataDir: string): void {
  rmSync(stackFilePath(dataDir), { force: true });
}
