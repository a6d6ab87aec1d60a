import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { PROJECT_ROOT } from '../../src/config/env.ts';

/** What the tests look at in one service of `docker-compose.yml`. */
export interface ComposeService {
  readonly image: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly restart: string;
  readonly mem_limit?: string;
  readonly stop_grace_period?: string;
  readonly [key: string]: unknown;
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

/** Variables of `.env` and the shell, as compose would find them. */
export type Variables = Readonly<Record<string, string>>;

/**
 * Reads `docker-compose.yml` as compose does: anchors and merge keys resolved, variables put in.
 * @throws where a required variable is missing, with the text that the file gives for it
 */
export function readComposeFile(variables: Variables): ComposeFile {
  const text = readFileSync(path.join(PROJECT_ROOT, 'docker-compose.yml'), 'utf8');
  return interpolate(parse(text, { merge: true, logLevel: 'error' }), variables) as ComposeFile;
}

/** The service of that name. */
export function requireService(file: ComposeFile, name: string): ComposeService {
  const service = file.services[name];
  if (service === undefined) throw new Error(`docker-compose.yml has no service ${name}`);
  return service;
}

/** The program and its arguments: a list, since a string would go through a shell. */
export function commandOf(service: ComposeService): readonly [string, ...string[]] {
  const [program, ...args] = service.command ?? [];
  if (program === undefined) throw new Error('the service has no command');
  return [program, ...args];
}

/** The program of a health check; only the kind that needs no shell is known. */
export function healthCommandOf(service: ComposeService): readonly [string, ...string[]] {
  const [kind, program, ...args] = service.healthcheck?.test ?? [];
  if (kind !== 'CMD' || program === undefined)
    throw new Error('the service has no plain health check');
  return [program, ...args];
}

/** `20s` in milliseconds; only seconds are known. */
export function durationMs(text: string | undefined): number {
  const [, seconds] = /^(\d+)s$/.exec(text ?? '') ?? [];
  if (seconds === undefined) throw new Error(`${text} is no duration in seconds`);
  return Number(seconds) * 1000;
}

/** `192m` in MiB. */
export function memoryMib(text: string | undefined): number {
  const [, mib] = /^(\d+)m$/.exec(text ?? '') ?? [];
  if (mib === undefined) throw new Error(`${text} is no size in MiB`);
  return Number(mib);
}

/** What `ENV` lines of the `Dockerfile` give to every process of the image. */
export function imageEnvironment(): Readonly<Record<string, string>> {
  const lines = readDockerfile().matchAll(/^ENV (.+)$/gm);
  const pairs = [...lines].flatMap(([, text = '']) => text.split(' '));
  return Object.fromEntries(pairs.map((pair) => pair.split('=', 2) as [string, string]));
}

export function readDockerfile(): string {
  return readFileSync(path.join(PROJECT_ROOT, 'Dockerfile'), 'utf8');
}

function interpolate(node: unknown, variables: Variables): unknown {
  if (typeof node === 'string') return interpolateText(node, variables);
  if (Array.isArray(node)) return node.map((item) => interpolate(item, variables));
  if (node === null || typeof node !== 'object') return node;
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) => [key, interpolate(value, variables)]),
  );
}

/** `$$`, `${NAME}`, `${NAME:-default}` and `${NAME:?message}`: what the file may use, and every compose knows. */
function interpolateText(text: string, variables: Variables): string {
  return text.replaceAll(
    /\$(?:(\$)|\{(\w+)(?::([-?])([^{}]*))?\}|)/g,
    (whole, dollar?: string, name?: string, operator?: string, rest = '') => {
      if (dollar !== undefined) return '$';
      if (name === undefined) throw new Error(`a lone $ stands in: ${text} (${whole})`);
      const value = variables[name] ?? '';
      if (value !== '') return value;
      if (operator === '?') throw new Error(`${name}: ${rest}`);
      return operator === '-' ? rest : '';
    },
  );
}
