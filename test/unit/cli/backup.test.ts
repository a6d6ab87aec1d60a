import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  markBackup,
  openBackupFolder,
  putInPlace,
  saveFiles,
} from '../../../src/cli/backup/backup-folder.ts';
import { dumpDatabase } from '../../../src/cli/backup/save-database.ts';
import { readBackupCommand } from '../../../src/cli/backup/read-arguments.ts';

describe('readBackupCommand', () => {
  it('saves everything unless told otherwise', () => {
    const all = { folder: '/backup/x', media: true, database: true };
    expect(readBackupCommand(['/backup/x'])).toEqual(all);
    expect(readBackupCommand(['--without-media', '/backup/x'])).toEqual({ ...all, media: false });
  });

  it.each([[[]], [['a', 'b']], [['a', '--whole']]])('tells how it is used for %j', (args) => {
    expect(() => readBackupCommand(args)).toThrow('Usage: npm run backup -- FOLDER');
  });
});

describe('the folder of a backup', () => {
  let folder: string;
  let dataDir: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'steadyreel-backup-'));
    dataDir = join(folder, 'data');
    mkdirSync(join(dataDir, 'process'), { recursive: true });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('is made for nobody else, for one process at a time, and is taken again', () => {
    const backup = join(folder, 'backup');
    const release = openBackupFolder(backup, dataDir);
    expect(statSync(backup).mode & 0o777).toBe(0o700);
    expect(() => openBackupFolder(backup, dataDir)).toThrow('is saving to');
    release();
    openBackupFolder(backup, dataDir)();
  });

  it('is never a folder with something else in it, and not the data folder, restored or not', () => {
    expect(() => openBackupFolder(folder, dataDir)).toThrow('neither empty nor a backup');
    markBackup(dataDir, { finishedAt: null });
    expect(() => openBackupFolder(dataDir, dataDir)).toThrow('neither empty nor a backup');
    mkdirSync(join(dataDir, 'run'));
    expect(() => openBackupFolder(dataDir, '/elsewhere')).toThrow('neither empty nor a backup');
  });

  it('gets what is neither in the database nor media, without half-written files', async () => {
    const backup = join(folder, 'backup');
    mkdirSync(backup);
    writeFileSync(join(dataDir, 'admin-api-key'), 'key');
    writeFileSync(join(dataDir, 'process', 'a.json'), '{}');
    writeFileSync(join(dataDir, 'process', 'tag-1.part'), '{');
    writeFileSync(join(folder, '.env'), 'PORT=1');
    await saveFiles(backup, {
      dataDir,
      processDir: join(dataDir, 'process'),
      envFile: join(folder, '.env'),
    });
    expect(statSync(join(backup, '.env')).mode & 0o777).toBe(0o600);
    expect(statSync(join(backup, 'admin-api-key')).mode & 0o777).toBe(0o600);
    expect(existsSync(join(backup, 'process', 'a.json'))).toBe(true);
    expect(existsSync(join(backup, 'process', 'tag-1.part'))).toBe(false);
  });

  it('keeps the database it has until another one is whole', async () => {
    mkdirSync(join(folder, 'pg'));
    writeFileSync(join(folder, 'pg', 'old'), '');
    mkdirSync(join(folder, 'pg.new'));
    await putInPlace(folder, 'pg');
    expect(existsSync(join(folder, 'pg', 'old'))).toBe(false);
    expect(existsSync(join(folder, 'pg.old'))).toBe(false);
  });
});

describe('a database of the operator', () => {
  const { PATH } = process.env;
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'steadyreel-dump-'));
    mkdirSync(join(folder, 'bin'));
    process.env['PATH'] = `${join(folder, 'bin')}:${PATH}`;
  });
  afterEach(() => {
    process.env['PATH'] = PATH;
    rmSync(folder, { recursive: true, force: true });
  });

  const dump = (signal = new AbortController().signal) =>
    dumpDatabase(join(folder, 'backup'), 'postgres://me:a%20word@db:5432/films', signal);

  /** A pg_dump that writes its arguments and its password to the file it is given. */
  function installPgDump(rest = ''): void {
    const lines = `for a; do case $a in --file=*) f=\${a#--file=};; esac; done\necho "$* / $PGPASSWORD" > "$f"\n${rest}\n`;
    writeFileSync(join(folder, 'bin', 'pg_dump'), `#!/bin/sh\n${lines}`, { mode: 0o755 });
    mkdirSync(join(folder, 'backup'));
  }

  it('is dumped for nobody else to read, its password on no command line', async () => {
    installPgDump();
    const file = await dump();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).toMatch(/ postgres:\/\/me@db:5432\/films \/ a word\n$/);
  });

  it('leaves the dump before it as it was when it cannot be dumped', async () => {
    installPgDump(`echo 'server version mismatch' >&2; exit 1`);
    writeFileSync(join(folder, 'backup', 'database.dump'), 'old');
    await expect(dump()).rejects.toThrow('could not save the database: server version mismatch');
    await expect(dump(AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
    expect(readdirSync(join(folder, 'backup'))).toEqual(['database.dump']);
  });
});
