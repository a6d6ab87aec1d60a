import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  ConfigError,
  loadConfig,
  loadStackConfig,
  loadTemporalTarget,
  PROJECT_ROOT,
} from '../../../src/config/env.ts';
import { parseEnvFile } from '../../../src/config/env-file.mjs';
import { SETTINGS } from '../../../src/config/settings.ts';
import {
  readStackFile,
  removeStackFile,
  stackFilePath,
  writeStackFile,
} from '../../../src/config/stack-file.ts';

let folder: string;
let env: Record<string, string>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'steadyreel-env-'));
  for (const name of ['ffmpeg', 'ffprobe']) {
    writeFileSync(join(folder, name), '#!/bin/sh\n');
    chmodSync(join(folder, name), 0o755);
  }
  env = {
    PATH: folder,
    DATA_DIR: join(folder, 'data'),
    DATABASE_URL: 'postgresql://me:secret@db/videos',
    TEMPORAL_ADDRESS: 'temporal:7233',
  };
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function faultsOf(load: () => unknown): readonly string[] {
  try {
    load();
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

describe('object storage', () => {
  const BLOCK = `USE_SPACES=True
SPACES_ACCESS_KEY=DO00EXAMPLE
SPACES_SECRET_KEY=s3cr3t/with+signs=
SPACES_BUCKET_NAME=holiday-videos
SPACES_ENDPOINT_URL=https://nyc3.digitaloceanspaces.com  # Change region if needed

MAX_VIDEO_PROCESSING_TASKS=2  # Adjust based on server capacity
VIDEO_PROCESSING_TIMEOUT=600  # Maximum time in seconds for processing a video
`;

  it('is described by a block that is pasted into .env as it is', () => {
    expect(loadConfig({ ...env, ...parseEnvFile(BLOCK) })).toMatchObject({
      spaces: {
        endpoint: 'https://nyc3.digitaloceanspaces.com',
        region: 'us-east-1',
        bucket: 'holiday-videos',
        accessKey: 'DO00EXAMPLE',
        secretKey: 's3cr3t/with+signs=',
        forcePathStyle: false,
        prefix: '',
        checksums: 'when-required',
      },
      maxVideoProcessingTasks: 2,
      videoProcessingTimeoutSeconds: 600,
    });
  });

  it('stands beside the two lines that leave one small file of each video', () => {
    const design = parseEnvFile(`${BLOCK}\nVIDEO_PROFILE=720p\nKEEP_ORIGINAL=False  # replaced\n`);
    expect(loadConfig({ ...env, ...design })).toMatchObject({
      spaces: { bucket: 'holiday-videos' },
      videoProfile: '720p',
      retention: {
        keepOriginal: false,
        keepOriginalDays: null,
        workRetentionDays: 7,
        deleteVideosAfterDays: null,
      },
    });
  });

  it('is off by default, whatever else is set', () => {
    expect(loadConfig(env).spaces).toBeUndefined();
    expect(loadConfig({ ...env, SPACES_BUCKET_NAME: 'holiday-videos' }).spaces).toBeUndefined();
  });

  it.each([
    ['http://127.0.0.1:9000', true],
    ['http://[::1]:9000', true],
    ['http://localhost:9000', true],
    ['https://s3.example.org', false],
  ])('puts the bucket into the path where %s has no names: %s', (endpoint, isForced) => {
    const all = { ...env, ...parseEnvFile(BLOCK), SPACES_ENDPOINT_URL: endpoint };
    expect(loadConfig(all).spaces?.forcePathStyle).toBe(isForced);
    expect(loadConfig({ ...all, SPACES_FORCE_PATH_STYLE: 'true' }).spaces?.forcePathStyle).toBe(
      true,
    );
  });

  it.each([
    ['media', 'media/'],
    ['/media/videos/', 'media/videos/'],
  ])('takes the prefix %s as %s', (SPACES_PREFIX, prefix) => {
    const all = { ...env, ...parseEnvFile(BLOCK), SPACES_PREFIX };
    expect(loadConfig(all).spaces?.prefix).toBe(prefix);
  });

  it('sends viewers to the storage, or to a CDN before it, only where that is asked for', () => {
    const all = { ...env, ...parseEnvFile(BLOCK) };
    expect(loadConfig(all).viewerMode).toBe('proxy');
    const SPACES_CDN_URL = 'https://holiday-videos.nyc3.cdn.digitaloceanspaces.com';
    const sent = { ...all, VIEWER_MODE: 'redirect', SPACES_CDN_URL };
    expect(loadConfig(sent)).toMatchObject({
      viewerMode: 'redirect',
      spaces: { cdnUrl: undefined },
    });
    expect(loadConfig({ ...sent, SPACES_CDN_MODE: 'signed' }).spaces?.cdnUrl).toBe(SPACES_CDN_URL);
  });

  it.each([
    [{ USE_SPACES: 'false' }, /^VIEWER_MODE=redirect sends .* media lie on this disk/],
    [{ SPACES_CDN_MODE: 'public' }, /^SPACES_CDN_MODE=public would be .* private so far/],
    [{ SPACES_CDN_MODE: 'signed', VIEWER_MODE: 'proxy' }, /set VIEWER_MODE=redirect too\.$/],
    [{ SPACES_CDN_MODE: 'signed' }, /^SPACES_CDN_URL is not set/],
    [{ SPACES_CDN_URL: 'https://cdn.test/media' }, /^SPACES_CDN_URL must be .* without a path/],
    [
      {
        SPACES_CDN_MODE: 'signed',
        SPACES_CDN_URL: 'https://cdn.test',
        SPACES_ENDPOINT_URL: 'https://10.0.0.1:9000',
      },
      /needs a SPACES_ENDPOINT_URL with a host name/,
    ],
    [
      { PUBLIC_URL: 'https://videos.test', SPACES_ENDPOINT_URL: 'http://minio:9000' },
      /plain http, which browsers refuse/,
    ],
  ])('says what is wrong with the way of viewers: %j', (changes, sentence) => {
    const all = { ...env, ...parseEnvFile(BLOCK), VIEWER_MODE: 'redirect', ...changes };
    expect(faultsOf(() => loadStackConfig(all))).toEqual([expect.stringMatching(sentence)]);
  });

  it('names everything that is missing or wrong, and no secret', () => {
    expect(faultsOf(() => loadConfig({ ...env, USE_SPACES: 'true' }))).toEqual(
      ['ACCESS_KEY', 'SECRET_KEY', 'BUCKET_NAME', 'ENDPOINT_URL'].map(
        (name) => `SPACES_${name} is not set, and USE_SPACES needs it.`,
      ),
    );
    const wrong = {
      ...env,
      ...parseEnvFile(BLOCK),
      SPACES_SECRET_KEY: 'two words',
      SPACES_BUCKET_NAME: 'your_bucket_name',
      SPACES_ENDPOINT_URL: 'nyc3.digitaloceanspaces.com',
      SPACES_PREFIX: '../up',
    };
    const faults = faultsOf(() => loadConfig(wrong));
    expect(faults).toHaveLength(4);
    expect(faults.join()).not.toContain('two words');
    expect(faultsOf(() => loadStackConfig({ ...env, USE_SPACES: 'true' }))).toHaveLength(4);
  });

  it('names the bucket where media lay before, whether they lie in one now or not', () => {
    const main = parseEnvFile(BLOCK);
    const old = Object.fromEntries(
      Object.entries(main).flatMap(([name, value]) =>
        name.startsWith('SPACES_') ? [[`OLD_${name}`, value]] : [],
      ),
    );
    const before = { bucket: 'holiday-videos', region: 'us-east-1', checksums: 'when-required' };
    expect(loadConfig({ ...env, ...old })).toMatchObject({ spaces: undefined, oldSpaces: before });
    expect(loadConfig({ ...env, ...main }).oldSpaces).toBeUndefined();
    const both = { ...env, ...main, ...old, OLD_SPACES_PREFIX: 'old' };
    expect(loadConfig(both).oldSpaces?.prefix).toBe('old/');

    expect(faultsOf(() => loadConfig({ ...env, ...main, ...old }))).toEqual([
      'OLD_SPACES_… and SPACES_… name the same place: leave OLD_SPACES_… out.',
    ]);
    expect(faultsOf(() => loadConfig({ ...env, OLD_SPACES_BUCKET_NAME: 'was-here' }))).toEqual(
      ['ACCESS_KEY', 'SECRET_KEY', 'ENDPOINT_URL'].map(
        (name) => `OLD_SPACES_${name} is not set, and OLD_SPACES_… needs it.`,
      ),
    );
  });
});

describe('loadConfig', () => {
  it('fills in the defaults, with absolute paths below the data folder', () => {
    expect(loadConfig(env)).toMatchObject({
      host: '127.0.0.1',
      port: 3000,
      publicUrl: 'http://127.0.0.1:3000',
      mediaRoot: join(folder, 'data/media'),
      processDir: join(folder, 'data/process'),
      workDir: join(folder, 'data/work'),
      temporalNamespace: 'default',
      maxVideoProcessingTasks: 2,
      ffmpegMemoryMb: undefined,
      videoProcessingTimeoutSeconds: 600,
      videoProfile: 'ladder',
      maxUploadBytes: 20 * 1024 ** 3,
      maxVideoDurationSeconds: 21_600,
      allowSignUp: false,
      ffmpegPath: join(folder, 'ffmpeg'),
      ffprobePath: join(folder, 'ffprobe'),
    });
  });

  it('is frozen and holds no administrator that was not given', () => {
    const config = loadConfig(env);
    expect(Object.isFrozen(config)).toBe(true);
    expect(config).not.toHaveProperty('adminApiKey');
    expect(config).not.toHaveProperty('adminEmail');
  });

  it('takes relative paths from the root of the checkout, wherever it is called', () => {
    const config = loadConfig({ ...env, DATA_DIR: 'elsewhere', MEDIA_ROOT: '/mnt/media' });
    expect(config.dataDir).toBe(join(PROJECT_ROOT, 'elsewhere'));
    expect(config.mediaRoot).toBe('/mnt/media');
  });

  it('counts an empty variable as not set', () => {
    expect(loadConfig({ ...env, PORT: ' ', ADMIN_EMAIL: '' }).port).toBe(3000);
  });

  it.each(['true', 'True', 'TRUE', '1', 'yes'])('reads %s as true', (value) => {
    expect(loadConfig({ ...env, ALLOW_SIGN_UP: value }).allowSignUp).toBe(true);
  });

  it.each(['false', 'False', '0', 'no'])('reads %s as false', (value) => {
    expect(loadConfig({ ...env, ALLOW_SIGN_UP: value }).allowSignUp).toBe(false);
  });

  it.each([
    [{ HOST: '0.0.0.0' }, 'http://localhost:3000'],
    [{ HOST: '::1', PORT: '80' }, 'http://[::1]:80'],
    [{ PUBLIC_URL: 'https://videos.example/' }, 'https://videos.example'],
  ])('reaches %j at %s', (settings, expected) => {
    expect(loadConfig({ ...env, ...settings }).publicUrl).toBe(expected);
  });

  it('splits the trusted proxies', () => {
    expect(
      loadConfig({ ...env, TRUSTED_PROXIES: '10.0.0.1, 10.1.0.0/16,' }).trustedProxies,
    ).toEqual(['10.0.0.1', '10.1.0.0/16']);
  });

  it('takes ffprobe from beside a given ffmpeg', () => {
    const config = loadConfig({ ...env, PATH: '', FFMPEG_PATH: join(folder, 'ffmpeg') });
    expect(config.ffprobePath).toBe(join(folder, 'ffprobe'));
  });

  it('reports all faults at once, each naming its variable', () => {
    const faults = faultsOf(() =>
      loadConfig({
        PATH: '',
        DATA_DIR: folder,
        PORT: '70000',
        VIDEO_CRF: '22.5',
        MAX_VIDEO_PROCESSING_TASKS: '0',
        FFMPEG_MEMORY_MB: '63',
        VIDEO_PROFILE: '4k',
        DATABASE_URL: 'mysql://h/d',
        TEMPORAL_ADDRESS: 'temporal',
        ADMIN_EMAIL: 'me@example.com',
        ALLOW_SIGN_UP: 'maybe',
      }),
    );
    for (const name of [
      ...[
        'PORT',
        'VIDEO_CRF',
        'MAX_VIDEO_PROCESSING_TASKS',
        'FFMPEG_MEMORY_MB',
        'VIDEO_PROFILE',
        'DATABASE_URL',
      ],
      ...['TEMPORAL_ADDRESS', 'ALLOW_SIGN_UP', 'ADMIN_PASSWORD', 'FFMPEG_PATH', 'FFPROBE_PATH'],
    ]) {
      expect(faults.filter((fault) => fault.includes(name))).toHaveLength(1);
    }
    expect(faults).toHaveLength(11);
  });

  it('does not repeat a secret in a fault', () => {
    const [fault] = faultsOf(() => loadConfig({ ...env, DATABASE_URL: 'http://u:hunter2@db/x' }));
    expect(fault).toContain('DATABASE_URL');
    expect(fault).not.toContain('hunter2');
  });

  it('finds the servers of the running stack, and says what to do when there is none', () => {
    const { DATABASE_URL: _, TEMPORAL_ADDRESS: __, ...bare } = env;
    expect(faultsOf(() => loadConfig(bare))).toEqual([
      expect.stringContaining('npm start'),
      expect.stringContaining('npm start'),
    ]);
    writeStackFile(join(folder, 'data'), {
      databaseUrl: 'postgresql://stack',
      temporalAddress: '127.0.0.1:7233',
      temporalUiUrl: 'http://127.0.0.1:8233',
    });
    expect(loadConfig(bare)).toMatchObject({
      databaseUrl: 'postgresql://stack',
      temporalAddress: '127.0.0.1:7233',
      temporalUiUrl: 'http://127.0.0.1:8233',
    });
    expect(loadConfig(env).databaseUrl).toBe(env['DATABASE_URL']);
    expect(loadTemporalTarget(bare)).toEqual({ address: '127.0.0.1:7233', namespace: 'default' });
  });
});

describe('loadStackConfig', () => {
  it('needs no servers, and knows which ones are somebody else’s', () => {
    expect(loadStackConfig({ DATA_DIR: folder })).toMatchObject({
      databaseUrl: undefined,
      temporalAddress: undefined,
      temporalPort: 7233,
      temporalUiPort: 8233,
      logFormat: 'pretty',
    });
    expect(loadStackConfig(env).databaseUrl).toBe(env['DATABASE_URL']);
  });
});

describe('stack.json', () => {
  it('can be read by its owner alone, and is gone after removal', () => {
    writeStackFile(folder, { databaseUrl: 'a', temporalAddress: 'b' });
    expect(statSync(stackFilePath(folder)).mode & 0o777).toBe(0o600);
    removeStackFile(folder);
    removeStackFile(folder);
    expect(readStackFile(folder)).toBeUndefined();
  });
});

describe('.env.example', () => {
  it('names exactly the settings there are', () => {
    const text = readFileSync(join(PROJECT_ROOT, '.env.example'), 'utf8');
    const named = [...text.matchAll(/^#([A-Z_]+)=/gm)].map((match) => match[1]);
    expect(named).toHaveLength(Object.keys(SETTINGS).length);
    expect(new Set(named)).toEqual(new Set(Object.keys(SETTINGS)));
  });

  it('shows values that are accepted and are the defaults', () => {
    const text = readFileSync(join(PROJECT_ROOT, '.env.example'), 'utf8');
    const shown = Object.fromEntries(
      [...text.matchAll(/^#([A-Z_]+)=(.+)$/gm)].map((match) => [match[1], match[2]]),
    );
    for (const [name, value] of Object.entries(shown)) {
      const { schema } = SETTINGS[name as keyof typeof SETTINGS];
      expect([name, schema.parse(value)]).toEqual([name, schema.parse(undefined)]);
    }
  });
});

describe('settings that a user gets wrong', () => {
  it('names ports that are given twice, before anything is started', () => {
    expect(
      faultsOf(() => loadStackConfig({ ...env, PORT: '3500', TEMPORAL_PORT: '3500' })),
    ).toEqual(['PORT and TEMPORAL_PORT are both 3500: give each its own port.']);
  });

  it.each(['foo', '10.0.0.0/33', '10.0.0.0/8/8', '::1/129'])('refuses %s for a proxy', (range) => {
    expect(
      faultsOf(() => loadStackConfig({ ...env, TRUSTED_PROXIES: `10.0.0.1, ${range}` })),
    ).toEqual([
      'TRUSTED_PROXIES must be IP addresses or ranges like 10.0.0.0/8, separated by commas.',
    ]);
  });
});
