import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConfigError, loadStackConfig } from '../../../src/config/env.ts';
import { checkFolders } from '../../../src/stack/check-folders.ts';
import { parseDynamicConfig, readDynamicConfig } from '../../../src/stack/dynamic-config.ts';
import { findTemporalCli } from '../../../src/stack/find-temporal-cli.mjs';
import { restartPauseMs } from '../../../src/stack/part-keeper.ts';
import { createStackLog } from '../../../src/stack/stack-log.ts';
import { openTemporalHome } from '../../../src/stack/temporal-home.ts';
import { serverArgs } from '../../../src/stack/temporal-server.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'steadyreel-parts-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('checkFolders', () => {
  const check = (env: Record<string, string>) =>
    checkFolders(loadStackConfig({ DATA_DIR: join(folder, 'data'), ...env }).folders);
  const faultsOf = (env: Record<string, string>): readonly string[] => {
    try {
      check(env);
    } catch (error) {
      if (error instanceof ConfigError) return error.faults;
      throw error;
    }
    return [];
  };

  it('lets pass what is there and what can be made, and makes nothing', () => {
    mkdirSync(join(folder, 'work'));
    check({ WORK_DIR: join(folder, 'work'), MEDIA_ROOT: join(folder, 'not/yet/media') });
    expect(readdirSync(folder)).toEqual(['work']);
  });

  it('names each setting whose folder cannot be used, and why', () => {
    writeFileSync(join(folder, 'file'), '');
    symlinkSync(join(folder, 'gone'), join(folder, 'link'));
    const wrong = {
      MEDIA_ROOT: '/dev/null/media',
      PROCESS_DIR: join(folder, 'file'),
      WORK_DIR: join(folder, 'link/work'),
    };
    expect(faultsOf(wrong)).toEqual([
      'MEDIA_ROOT: /dev/null/media cannot be used: not a directory.',
      `PROCESS_DIR: ${folder}/file cannot be used: not a directory.`,
      `WORK_DIR: ${folder}/link/work cannot be used: a link to what is not there.`,
    ]);
  });

  it('names DATA_DIR alone where the others would lie in it', () => {
    expect(faultsOf({ DATA_DIR: '/dev/null' })).toEqual([
      'DATA_DIR: /dev/null cannot be used: not a directory.',
    ]);
  });

  it('comes to an end where the system takes no folders', () => {
    expect(faultsOf({ MEDIA_ROOT: '/proc/media/deep' })).toEqual([
      expect.stringMatching(/^MEDIA_ROOT: \/proc\/media\/deep cannot be used: .+\.$/),
    ]);
  });

  it('leaves a media folder alone that object storage has taken the place of', () => {
    const SPACES = {
      USE_SPACES: 'true',
      SPACES_ACCESS_KEY: 'key',
      SPACES_SECRET_KEY: 'secret',
      SPACES_BUCKET_NAME: 'videos',
      SPACES_ENDPOINT_URL: 'https://nyc3.digitaloceanspaces.com',
    };
    expect(faultsOf({ ...SPACES, MEDIA_ROOT: '/dev/null/media' })).toEqual([]);
  });
});

describe('dynamic configuration', () => {
  it('turns fairness on and keeps each task queue in one partition', () => {
    expect(readDynamicConfig()).toEqual(
      expect.arrayContaining([
        'matching.numTaskqueueReadPartitions=1',
        'matching.numTaskqueueWritePartitions=1',
        'matching.enableFairness=true',
        'history.hostLevelCacheMaxSize=128',
      ]),
    );
  });

  it.each([
    'a.b:\n  - value: 1\n    constraints: {}',
    'a.b:\nc.d:\n  - value: 1',
    '  - value: 1',
    'a.b: 1',
  ])('refuses what the development server could not take: %j', (yaml) => {
    expect(() => parseDynamicConfig(yaml)).toThrow('plain values');
  });
});

describe('serverArgs', () => {
  const server = { cliPath: '/temporal', port: 7233, httpPort: 7243, namespace: 'default' };

  it('rule 31: binds to loopback, its Web UI too, asks nobody for news and keeps its database', () => {
    const args = serverArgs({ ...server, uiPort: 8233, databaseFile: '/data/t.db' }).join(' ');
    expect(args).toContain('--ip 127.0.0.1 --port 7233');
    expect(args).toContain('--ui-port 8233 --ui-disable-news-fetch');
    // Left out, the Web UI listens where the server does.
    expect(args).not.toContain('--ui-ip');
    expect(args).toContain('--db-filename /data/t.db');
    expect(args).toContain('--dynamic-config-value matching.enableFairness=true');
    expect(args).not.toContain('--headless');
  });

  it('has no Web UI and no file where none are wished', () => {
    const args = serverArgs(server).join(' ');
    expect(args).toContain('--headless');
    expect(args).not.toContain('--ui-port');
    expect(args).not.toContain('--db-filename');
  });
});

describe('findTemporalCli', () => {
  const cli = (name: string, output: string) => {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\necho '${output}'\n`, { mode: 0o755 });
    return path;
  };

  it('takes the one on PATH and reads its versions', () => {
    const path = cli('temporal', 'temporal version 1.7.2 (Server 1.30.1, UI 2.40.0)');
    expect(findTemporalCli({ PATH: folder })).toEqual({ path, version: '1.7.2', server: '1.30.1' });
  });

  it('passes over one that is too old', () => {
    const path = cli('temporal', 'temporal version 1.6.9 (Server 1.29.0, UI 2.39.0)');
    expect(findTemporalCli({ PATH: folder })?.path).not.toBe(path);
  });

  it('prefers the one that was asked for, and does not silently take another', () => {
    cli('temporal', 'temporal version 1.7.2 (Server 1.30.1, UI 2.40.0)');
    const wished = cli('other', 'temporal version 2.0.0 (Server 2.0.0, UI 3.0.0)');
    expect(findTemporalCli({ PATH: folder, TEMPORAL_CLI_PATH: wished })?.version).toBe('2.0.0');
    const broken = cli('broken', 'hello');
    expect(() => findTemporalCli({ PATH: folder, TEMPORAL_CLI_PATH: broken })).toThrow(
      /TEMPORAL_CLI_PATH.*correct or unset/,
    );
  });
});

describe('openTemporalHome', () => {
  const use = (server: string) => {
    const home = openTemporalHome(folder, server);
    writeFileSync(home.databaseFile, '');
    return home;
  };

  it('lets a newer server take over and refuses an older one, saying what to do', () => {
    use('1.31.2');
    use('1.32.0');
    expect(() => use('1.31.9')).toThrow(/made by Temporal Server 1\.32\.0.*mv /);
    expect(() => use('1.32.4')).not.toThrow();
  });

  it('cannot judge a server that does not say its version', () => {
    use('1.32.0');
    expect(() => use('')).not.toThrow();
  });
});

describe('restartPauseMs', () => {
  it('doubles from one second to half a minute', () => {
    expect([0, 1, 2, 3, 4, 5, 60].map(restartPauseMs)).toEqual([
      1000, 2000, 4000, 8000, 16_000, 30_000, 30_000,
    ]);
  });
});

describe('createStackLog', () => {
  it('names the part before each line for people', () => {
    const written: string[] = [];
    createStackLog('pretty', (text) => written.push(text))('api', 'listening');
    expect(written).toEqual(['api      │ listening\n']);
  });

  it('writes only JSON for machines, and leaves JSON as it is', () => {
    const written: string[] = [];
    const log = createStackLog(
      'json',
      (text) => written.push(text),
      () => new Date(0),
    );
    log('api', '{"level":30,"msg":"listening"}');
    log('postgres', 'ready');
    expect(written.map((line) => JSON.parse(line) as unknown)).toEqual([
      { level: 30, msg: 'listening' },
      { level: 'info', time: '1970-01-01T00:00:00.000Z', part: 'postgres', msg: 'ready' },
    ]);
  });
});
