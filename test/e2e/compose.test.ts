import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, openAsBlob, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Client } from 'pg';
import { PROJECT_ROOT } from '../../src/config/env.ts';
import { SETTINGS } from '../../src/config/settings.ts';
import { API_LAUNCH, WORKER_LAUNCH } from '../../src/host/node-launch.ts';
import { launch, type Exit, type Launched } from '../../src/stack/launch.ts';
import { reservePort } from '../support/ports.ts';
import {
  commandOf,
  durationMs,
  healthCommandOf,
  imageEnvironment,
  memoryMib,
  readComposeFile,
  readDockerfile,
  requireService,
} from '../support/compose.ts';
import { makeClip, makeTempFolder } from '../support/make-clip.ts';
import { createNamespace, untilRunClosed } from '../support/namespace.ts';
import { testDatabaseUrl, testTemporalAddress } from '../support/services.ts';
import { waitUntil } from '../support/wait-until.ts';

jest.setTimeout(400_000);

const PASSWORD = 'a-password-of-this-test';
const ONE_SHOTS = ['temporal-schema', 'temporal-namespace', 'migrate'];
/** Settings that mean nothing in a container: `npm start`'s own servers, and paths that the image or DATA_DIR decides. */
const NOT_FOR_CONTAINERS = [
  ...['TEMPORAL_PORT', 'TEMPORAL_UI_PORT', 'TEMPORAL_CLI_PATH', 'FFMPEG_PATH', 'FFPROBE_PATH'],
  ...['MEDIA_ROOT', 'PROCESS_DIR', 'WORK_DIR'],
];

describe('docker-compose.yml', () => {
  const file = readComposeFile({ POSTGRES_PASSWORD: PASSWORD });
  const services = Object.entries(file.services);
  const lasting = services.filter(([name]) => !ONE_SHOTS.includes(name));

  it('has no password of its own and does not start without one', () => {
    expect(() => readComposeFile({})).toThrow('POSTGRES_PASSWORD: set it in .env');
    const secrets = services.flatMap(([, { environment = {} }]) =>
      Object.entries(environment).filter(([name]) => /PASSWORD|PWD|SECRET|API_KEY/.test(name)),
    );
    expect(new Set(secrets.map(([, value]) => value))).toEqual(new Set([PASSWORD, '']));
  });

  it('hands every setting to the API and the worker', () => {
    const expected = Object.keys(SETTINGS).filter((name) => !NOT_FOR_CONTAINERS.includes(name));
    for (const name of ['migrate', 'api', 'worker']) {
      const given = Object.keys(requireService(file, name).environment ?? {});
      expect(given.toSorted()).toEqual(expected.toSorted());
    }
  });

  it('fits a machine of 2 GB', () => {
    const limits = lasting.map(([, service]) => memoryMib(service.mem_limit));
    expect(limits.reduce((sum, limit) => sum + limit, 0)).toBeLessThanOrEqual(1840);
  });

  it('starts what stopped and looks after what listens', () => {
    for (const [name, service] of lasting) {
      expect([name, service.restart]).toEqual([name, 'unless-stopped']);
      if (name !== 'worker') expect(healthCommandOf(service).length).toBeGreaterThan(1);
    }
    for (const name of ONE_SHOTS) expect(requireService(file, name).restart).toBe('no');
  });

  it('waits for one-shots to succeed and for servers to be healthy', () => {
    for (const [, { depends_on: needs = {} }] of services) {
      for (const [name, { condition }] of Object.entries(needs)) {
        const isOneShot = ONE_SHOTS.includes(name);
        expect(condition).toBe(isOneShot ? 'service_completed_successfully' : 'service_healthy');
        if (!isOneShot) expect(requireService(file, name).healthcheck).toBeDefined();
      }
    }
  });

  it('publishes nothing beyond this machine but Caddy', () => {
    const open = services.filter(([, { ports = [] }]) =>
      ports.some((port) => !port.startsWith('127.0.0.1:')),
    );
    expect(open.map(([name]) => name)).toEqual(['caddy']);
  });

  it('mounts only volumes that are declared and files that exist', () => {
    const sources = services.flatMap(([, { volumes = [] }]) =>
      volumes.map((volume) => volume.split(':')[0] ?? ''),
    );
    for (const source of sources) {
      const isThere = source.startsWith('./')
        ? existsSync(path.join(PROJECT_ROOT, source))
        : source in file.volumes;
      expect([source, isThere]).toEqual([source, true]);
    }
  });

  it('believes forwarded headers of Caddy alone', () => {
    const caddy = requireService(file, 'caddy')['networks'] as { edge: { ipv4_address: string } };
    const trusted = requireService(file, 'api').environment?.['TRUSTED_PROXIES'];
    expect(trusted).toBe(caddy.edge.ipv4_address);
  });

  it('names versions that exist together', () => {
    for (const [, { image, build }] of services) {
      if (build === undefined) expect(image).toMatch(/:\d+\.\d+/);
    }
    expect(requireService(file, 'temporal-schema').image.split(':')[1]).toBe(
      requireService(file, 'temporal').image.split(':')[1],
    );
    const { devDependencies } = JSON.parse(
      readFileSync(path.join(PROJECT_ROOT, 'package.json'), 'utf8'),
    ) as { devDependencies: { node: string } };
    expect(readDockerfile()).toContain(`node:${devDependencies.node}-bookworm-slim`);
  });

  it.each([
    ['api', API_LAUNCH, 'src/api/server.ts'],
    ['worker', WORKER_LAUNCH, 'src/workers/worker.ts'],
  ])('starts the %s as `npm start` does, so that it stays small', (name, { flags, env }, main) => {
    expect(commandOf(requireService(file, name))).toEqual(
      expect.arrayContaining(['node', ...flags, main]),
    );
    expect(imageEnvironment()).toMatchObject(env);
  });

  it('has an image that runs the API', () => {
    const image = /^CMD (.+)$/m.exec(readDockerfile())?.[1] ?? '';
    expect(JSON.parse(image)).toEqual(commandOf(requireService(file, 'api')));
  });

  it('has the services whose containers the documented commands borrow, each free to run twice', () => {
    const calls = documentedCalls();
    const borrowed = calls.filter(({ verb }) => verb === 'run');
    expect(new Set(calls.map(({ service }) => service))).toEqual(
      new Set(['api', 'postgres', 'temporal-namespace', 'worker']),
    );
    for (const { service, line } of borrowed) {
      const { networks = {}, volumes } = requireService(file, service);
      expect([line, JSON.stringify(networks)]).toEqual([line, '{}']);
      if (line.includes(' -v ')) expect([line, volumes]).toEqual([line, ['data:/data']]);
    }
  });

  it("is understood by compose's own parser where there is one", () => {
    const parser = [['docker', 'compose'], ['docker-compose']].find(
      ([program = '', ...args]) => spawnSync(program, [...args, 'version']).status === 0,
    );
    if (parser === undefined) {
      process.stdout.write('No docker compose here: the file was read by our own parser only.\n');
      return;
    }
    const [program = '', ...args] = parser;
    const { status, stderr } = spawnSync(program, [...args, '--profile', 'tls', 'config', '-q'], {
      cwd: PROJECT_ROOT,
      env: { ...process.env, POSTGRES_PASSWORD: PASSWORD },
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

/** No containers: each service's command and environment, taken from the file, run as a plain process on this machine. */
describe('the services of docker-compose.yml', () => {
  let folder: Awaited<ReturnType<typeof makeTempFolder>>;
  let database: { url: string; drop: () => Promise<void> };
  let variables: Record<string, string>;
  const running: Launched[] = [];

  beforeAll(async () => {
    const namespace = await createNamespace();
    [folder, database] = await Promise.all([makeTempFolder(), createEmptyDatabase()]);
    variables = {
      POSTGRES_PASSWORD: PASSWORD,
      TEMPORAL_NAMESPACE: namespace,
      PORT: String(await reservePort()),
      VIDEO_PRESET: 'ultrafast',
    };
  });

  afterAll(async () => {
    await Promise.all(running.map((process) => process.stop(1000)));
    await database.drop();
    await folder.remove();
  });

  it('migrate, take an upload, complete it and stop in the time they are given', async () => {
    const file = readComposeFile(variables);
    const [api, worker] = [requireService(file, 'api'), requireService(file, 'worker')];

    const migrated = await start('migrate');
    expect(await migrated.exited).toEqual({ code: 0, signal: null });
    expect(migrated.lines().join()).toContain('Migrated the database');

    const [apiProcess, workerProcess] = [await start('api'), await start('worker')];
    await waitUntil(
      async () => ((await isHealthy('api')) ? 'healthy' : apiProcess.lines().slice(-5)),
      (seen) => seen === 'healthy',
      120_000,
    );

    const key = readFileSync(path.join(folder.path, 'admin-api-key'), 'utf8').trim();
    const clip = await makeClip(path.join(folder.path, 'clip.mp4'), { seconds: 1 });
    const form = new FormData();
    form.set('video', await openAsBlob(clip), 'clip.mp4');
    const uploaded = await request('/videos/upload/', key, { method: 'POST', body: form });
    expect(uploaded.status).toBe(201);
    const { id } = (await uploaded.json()) as { id: number };
    const video = await waitUntil(
      async () => (await (await request(`/videos/${id}`, key)).json()) as Video,
      ({ status }) => status === 'completed',
      200_000,
    );
    expect(video.streams.length).toBeGreaterThan(0);
    for (const { url, sizeBytes } of video.streams) {
      const answer = await request(new URL(url, 'http://any').pathname, key);
      expect((await answer.arrayBuffer()).byteLength).toBe(sizeBytes);
    }

    const { TEMPORAL_NAMESPACE: namespace = '' } = variables;
    await untilRunClosed({ address: testTemporalAddress(), namespace }, id);
    expect(await stop(apiProcess, durationMs(api.stop_grace_period))).toEqual(STOPPED);
    expect(await stop(workerProcess, durationMs(worker.stop_grace_period))).toEqual(STOPPED);
    expect([...apiProcess.faults(), ...workerProcess.faults()]).toEqual([]);
  });

  interface Video {
    readonly status: string;
    readonly streams: readonly { readonly url: string; readonly sizeBytes: number }[];
  }

  const STOPPED: Exit = { code: 0, signal: null };

  async function start(name: string) {
    const lines: string[] = [];
    const service = requireService(readComposeFile(variables), name);
    const [command, ...args] = commandOf(service);
    const launched = await launch({
      command,
      args,
      env: environmentOf(name),
      cwd: PROJECT_ROOT,
      stopSignal: 'SIGTERM',
      onLine: (line) => lines.push(line),
    });
    running.push(launched);
    return { ...launched, lines: () => lines, faults: () => lines.filter(isFault) };
  }

  /** Ends it as compose does; one that had to be killed shows its signal. */
  async function stop(process: Launched, graceMs: number): Promise<Exit> {
    return process.stop(graceMs);
  }

  async function isHealthy(name: string): Promise<boolean> {
    const [program, ...args] = healthCommandOf(requireService(readComposeFile(variables), name));
    const check = promisify(execFile)(program, args, { env: environmentOf(name), timeout: 30_000 });
    return check.then(
      () => true,
      () => false,
    );
  }

  /** The service's own, with its neighbours' names turned into addresses of this machine, and `/data` into a folder. */
  function environmentOf(name: string): Record<string, string> {
    const file = readComposeFile(variables);
    const { environment = {}, volumes = [] } = requireService(file, name);
    expect(volumes).toContain('data:/data');
    expect(environment['TEMPORAL_ADDRESS']).toBe('temporal:7233');
    const { environment: postgres = {} } = requireService(file, 'postgres');
    expect(environment['DATABASE_URL']).toBe(
      `postgresql://${postgres['POSTGRES_USER']}:${postgres['POSTGRES_PASSWORD']}@postgres:5432/${postgres['POSTGRES_DB']}`,
    );
    return {
      // The image has no .env; that of a developer stays out of it.
      ...Object.fromEntries(Object.keys(SETTINGS).map((setting) => [setting, ''])),
      FFMPEG_PATH: process.env['FFMPEG_PATH'] ?? '',
      FFPROBE_PATH: process.env['FFPROBE_PATH'] ?? '',
      ...imageEnvironment(),
      ...environment,
      PATH: `${path.dirname(process.execPath)}:${process.env['PATH']}`,
      DATA_DIR: folder.path,
      DATABASE_URL: database.url,
      TEMPORAL_ADDRESS: testTemporalAddress(),
    };
  }

  function request(target: string, key: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`http://127.0.0.1:${variables['PORT']}${target}`, {
      ...init,
      headers: { authorization: `Bearer ${key}` },
    });
  }
});

/** Of errors and worse, and anything that is no log line at all. */
function isFault(line: string): boolean {
  try {
    const { level } = JSON.parse(line) as { level: unknown };
    return ['error', 'fatal', 50, 60].includes(level as string | number);
  } catch {
    return true;
  }
}

/** What `docs/deployment.md` runs in containers: `exec` in one that is there, `run` in a further one of its service. */
function documentedCalls() {
  const text = readFileSync(path.join(PROJECT_ROOT, 'docs/deployment.md'), 'utf8');
  const calls = text.matchAll(
    /docker compose (run|exec) (?:-T |--rm |--no-deps |(?:-v|--entrypoint) \S+ )*(\S+).*/g,
  );
  return [...calls].map(([line, verb = '', service = '']) => ({ verb, service, line }));
}

async function createEmptyDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
  const name = `compose_${randomBytes(8).toString('hex')}`;
  await administer(`create database ${name}`);
  const url = new URL(testDatabaseUrl());
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => administer(`drop database ${name} with (force)`) };
}

async function administer(statement: string): Promise<void> {
  const client = new Client({ connectionString: testDatabaseUrl() });
  await client.connect();
  await client.query(statement);
  await client.end();
}
