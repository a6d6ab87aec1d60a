import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  clearDrafts,
  markBackup,
  openBackupFolder,
  originalsOfUploads,
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
    const release = openBackupFolder(backup, [dataDir]);
    expect(statSync(backup).mode & 0o777).toBe(0o700);
    expect(() => openBackupFolder(backup, [dataDir])).toThrow('is saving to');
    release();
    openBackupFolder(backup, [dataDir])();
  });

  it('is never a folder with something else in it, and not a restored data folder', () => {
    expect(() => openBackupFolder(folder, [dataDir])).toThrow('neither empty nor a backup');
    markBackup(dataDir, { finishedAt: null });
    mkdirSync(join(dataDir, 'run'));
    expect(() => openBackupFolder(dataDir, [])).toThrow('neither empty nor a backup');
  });

  it('is never in one that is saved, by whatever way it is reached', () => {
    const inside = join(dataDir, 'deep', 'backup');
    symlinkSync(dataDir, join(folder, 'way'));
    for (const path of [dataDir, inside, join(folder, 'way', 'backup')])
      expect(() => openBackupFolder(path, ['/elsewhere', dataDir])).toThrow(
        `lies in ${dataDir}, which is saved`,
      );
    expect(existsSync(inside)).toBe(false);
    openBackupFolder(join(folder, 'data-of-old'), [dataDir])();
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
    await putInPlace(backup, 'process');
    expect(readdirSync(join(backup, 'process'))).toEqual(['a.json']);
  });

  it('keeps the uploads of the backup before until others are whole', async () => {
    const backup = join(folder, 'backup');
    const files = { dataDir, processDir: join(dataDir, 'process'), envFile: join(folder, '.env') };
    mkdirSync(join(files.processDir, 'abandoned'));
    writeFileSync(join(files.processDir, 'a.mp4.json'), '{}');
    writeFileSync(join(files.processDir, 'abandoned', 'b.mp4.json'), '{}');
    await saveFiles(backup, files);
    await putInPlace(backup, 'process');
    const names = ['a.mp4', 'b.mp4'].map((name) => `videos/original/${name}`);
    expect([...originalsOfUploads(backup)]).toEqual(expect.arrayContaining(names));

    rmSync(join(files.processDir, 'a.mp4.json'));
    await saveFiles(backup, files); // and is broken off
    expect(existsSync(join(backup, 'process', 'a.mp4.json'))).toBe(true);
    writeFileSync(join(backup, 'process.new', 'half.json'), '{}');
    await clearDrafts(backup);
    await saveFiles(backup, files);
    await putInPlace(backup, 'process');
    expect(readdirSync(join(backup, 'process'))).toEqual(['abandoned']);
  });

  it('keeps the database it has until another one is whole', async () => {
    mkdirSync(join(folder, 'pg'));
    writeFileSync(join(folder, 'pg', 'old'), '');
    mkdirSync(join(folder, 'pg.new'));
    await putInPlace(folder, 'pg');
    expect(existsSync(join(folder, 'pg', 'old'))).toBe(false);
    expect(existsSync(join(folder, 'pg.old'))).toBe(false);
  });

  it('takes back the database that a kill left aside', () => {
    const backup = join(folder, 'backup');
    openBackupFolder(backup, [])();
    for (const name of ['pg', 'pg.new']) mkdirSync(join(backup, name));
    writeFileSync(join(backup, 'pg', 'old'), '');
    renameSync(join(backup, 'pg'), join(backup, 'pg.old'));
    openBackupFolder(backup, [])();
    expect(existsSync(join(backup, 'pg', 'old'))).toBe(true);
    expect(existsSync(join(backup, 'pg.old'))).toBe(false);
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
    const { path: file, putInPlace: finish } = await dump();
    expect(existsSync(file)).toBe(false);
    await finish();
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
