import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseEnvFile } from './env-file.mjs';
import { SETTINGS, type SettingName, type SettingValues } from './settings.ts';
import { checkViewerMode, readSpaces, type SpacesConfig } from './spaces.ts';
import { readStackFile } from './stack-file.ts';

/** Everything the mains need to know, converted and checked. All paths are absolute. */
export interface Config {
  readonly host: string;
  readonly port: number;
  /** Without a slash at its end. */
  readonly publicUrl: string;
  readonly trustedProxies: readonly string[];
  readonly dataDir: string;
  readonly mediaRoot: string;
  readonly processDir: string;
  readonly workDir: string;
  readonly databaseUrl: string;
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  readonly temporalUiUrl: string | undefined;
  /** Undefined: media lie on the disk. */
  readonly spaces: SpacesConfig | undefined;
  readonly viewerMode: 'proxy' | 'redirect';
  /** Where media lay before; what is still there is read from there. */
  readonly oldSpaces: SpacesConfig | undefined;
  /** Absolute; on the volume of `workDir`. */
  readonly sourceCacheDir: string;
  readonly sourceCacheBytes: number;
  readonly maxVideoProcessingTasks: number;
  /** Undefined: a share of the memory that the worker finds. */
  readonly ffmpegMemoryMb: number | undefined;
  readonly videoProcessingTimeoutSeconds: number;
  readonly videoProfile: 'ladder' | '720p';
  readonly videoCrf: number;
  readonly videoPreset: string;
  readonly decodeCheck: 'smallest' | 'all';
  readonly onTruncated: 'fail' | 'keep';
  readonly maxUploadBytes: number;
  /** Undefined: no limit. */
  readonly memberQuotaBytes: number | undefined;
  readonly maxVideoDurationSeconds: number;
  /** Days; null is for ever. */
  readonly retention: {
    readonly keepOriginal: boolean;
    readonly keepOriginalDays: number | null;
    readonly workRetentionDays: number;
    readonly deleteVideosAfterDays: number | null;
  };
  readonly oldVersionGraceSeconds: number;
  readonly platformFaultPatienceSeconds: number;
  /** Undefined: a share of the disk. */
  readonly diskMarginBytes: number | undefined;
  readonly reconcileGraceSeconds: number;
  readonly workerDrainSeconds: number;
  readonly adminApiKey?: string;
  readonly adminEmail?: string;
  readonly adminPassword?: string;
  readonly allowSignUp: boolean;
  readonly ffmpegPath: string;
  readonly ffprobePath: string;
  readonly sandbox: 'auto' | 'require' | 'off';
  readonly logLevel: string;
  readonly logFormat: 'pretty' | 'json';
}

/** What `npm start` needs before there is a database. */
export interface StackConfig {
  readonly host: string;
  readonly port: number;
  readonly publicUrl: string;
  readonly dataDir: string;
  readonly mediaRoot: string;
  /** All that are written to, DATA_DIR first, each by the setting that names it. */
  readonly folders: Readonly<Record<string, string>>;
  /** Given: that PostgreSQL is used and none is started. */
  readonly databaseUrl: string | undefined;
  /** Given: that Temporal server is used and none is started. */
  readonly temporalAddress: string | undefined;
  readonly temporalNamespace: string;
  readonly temporalUiUrl: string | undefined;
  readonly temporalPort: number;
  readonly temporalUiPort: number;
  readonly temporalCliPath: string | undefined;
  readonly workerDrainSeconds: number;
  readonly adminApiKeyIsSet: boolean;
  readonly logFormat: 'pretty' | 'json';
}

/** What the environment got wrong: every fault at once, each one sentence that names its variable. */
export class ConfigError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join('\n'));
    this.name = 'ConfigError';
    this.faults = faults;
  }
}

/** Variables by name, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Root of the checkout; relative paths in settings start here, wherever the program was called from. */
export const PROJECT_ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/**
 * The environment of this process, filled up from `.env` in the root of the checkout.
 * A variable that is already set wins over the file, also when it is set to nothing.
 * @throws ConfigError when a line of the file cannot be read
 */
export function readEnvironment(): Environment {
  let text = '';
  try {
    text = readFileSync(join(PROJECT_ROOT, '.env'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  try {
    return { ...parseEnvFile(text), ...process.env };
  } catch (error) {
    throw new ConfigError([(error as Error).message]);
  }
}

/**
 * Settings of the API, the worker and the commands.
 *
 * `databaseUrl`, `temporalAddress` and `temporalUiUrl` come from the environment, else from the running stack's
 * `stack.json`.
 * @throws ConfigError with all faults at once
 */
export function loadConfig(env: Environment = readEnvironment()): Config {
  const { values, faults } = readSettings(env);
  const paths = dataPaths(values);
  const stack = readStackFile(paths.dataDir);
  const ffmpegPath = findProgram(values.FFMPEG_PATH ?? 'ffmpeg', env);
  const ffprobePath = findFfprobe(values, env, ffmpegPath);
  const databaseUrl = values.DATABASE_URL ?? stack?.databaseUrl;
  const temporalAddress = values.TEMPORAL_ADDRESS ?? stack?.temporalAddress;

  if (!ffmpegPath) faults.push(missingProgram('FFMPEG_PATH', values.FFMPEG_PATH ?? 'ffmpeg'));
  if (!ffprobePath) faults.push(missingProgram('FFPROBE_PATH', values.FFPROBE_PATH ?? 'ffprobe'));
  if (!databaseUrl && !env['DATABASE_URL']) faults.push(missingServer('DATABASE_URL'));
  if (!temporalAddress && !env['TEMPORAL_ADDRESS']) faults.push(missingServer('TEMPORAL_ADDRESS'));
  if (faults.length > 0 || !ffmpegPath || !ffprobePath || !databaseUrl || !temporalAddress) {
    throw new ConfigError(faults);
  }

  return Object.freeze({
    host: values.HOST,
    port: values.PORT,
    publicUrl: publicUrl(values),
    trustedProxies: Object.freeze(values.TRUSTED_PROXIES),
    ...paths,
    databaseUrl,
    temporalAddress,
    temporalNamespace: values.TEMPORAL_NAMESPACE,
    temporalUiUrl: values.TEMPORAL_UI_URL ?? stack?.temporalUiUrl,
    spaces: readSpaces(values).spaces,
    viewerMode: values.VIEWER_MODE,
    oldSpaces: readSpaces(values).oldSpaces,
    sourceCacheDir: join(paths.workDir, 'source-cache'),
    sourceCacheBytes: values.SOURCE_CACHE_MB * 1024 ** 2,
    maxVideoProcessingTasks: values.MAX_VIDEO_PROCESSING_TASKS,
    ffmpegMemoryMb: values.FFMPEG_MEMORY_MB,
    videoProcessingTimeoutSeconds: values.VIDEO_PROCESSING_TIMEOUT,
    videoProfile: values.VIDEO_PROFILE,
    videoCrf: values.VIDEO_CRF,
    videoPreset: values.VIDEO_PRESET,
    decodeCheck: values.DECODE_CHECK,
    onTruncated: values.ON_TRUNCATED,
    maxUploadBytes: values.MAX_UPLOAD_BYTES,
    memberQuotaBytes: values.MEMBER_QUOTA_BYTES,
    maxVideoDurationSeconds: values.MAX_VIDEO_DURATION_SECONDS,
    retention: readRetention(values),
    oldVersionGraceSeconds: values.OLD_VERSION_GRACE_SECONDS,
    platformFaultPatienceSeconds: values.PLATFORM_FAULT_PATIENCE_SECONDS,
    diskMarginBytes:
      values.DISK_MARGIN_MB === undefined ? undefined : values.DISK_MARGIN_MB * 1024 ** 2,
    reconcileGraceSeconds: values.RECONCILE_GRACE_SECONDS,
    workerDrainSeconds: values.WORKER_DRAIN_SECONDS,
    ...(values.ADMIN_API_KEY !== undefined && { adminApiKey: values.ADMIN_API_KEY }),
    ...(values.ADMIN_EMAIL !== undefined && { adminEmail: values.ADMIN_EMAIL }),
    ...(values.ADMIN_PASSWORD !== undefined && { adminPassword: values.ADMIN_PASSWORD }),
    allowSignUp: values.ALLOW_SIGN_UP,
    ffmpegPath,
    ffprobePath,
    sandbox: values.SANDBOX,
    logLevel: values.LOG_LEVEL,
    logFormat: values.LOG_FORMAT ?? (process.stdout.isTTY ? 'pretty' : 'json'),
  });
}

/**
 * Settings of the supervisor, which has neither database nor Temporal server yet.
 * @throws ConfigError with all faults at once
 */
export function loadStackConfig(env: Environment = readEnvironment()): StackConfig {
  const { values, faults } = readSettings(env);
  const cli = values.TEMPORAL_CLI_PATH;
  const temporalCliPath = cli === undefined ? undefined : findProgram(cli, env);
  if (cli !== undefined && !temporalCliPath) faults.push(missingProgram('TEMPORAL_CLI_PATH', cli));
  faults.push(...sharedPorts(values));
  if (faults.length > 0) throw new ConfigError(faults);
  const { dataDir, mediaRoot, processDir, workDir } = dataPaths(values);
  return Object.freeze({
    host: values.HOST,
    port: values.PORT,
    publicUrl: publicUrl(values),
    dataDir,
    mediaRoot,
    folders: {
      DATA_DIR: dataDir,
      // With object storage it is only read, and only where it is there.
      ...(readSpaces(values).spaces === undefined && { MEDIA_ROOT: mediaRoot }),
      PROCESS_DIR: processDir,
      WORK_DIR: workDir,
    },
    databaseUrl: values.DATABASE_URL,
    temporalAddress: values.TEMPORAL_ADDRESS,
    temporalNamespace: values.TEMPORAL_NAMESPACE,
    temporalUiUrl: values.TEMPORAL_UI_URL,
    temporalPort: values.TEMPORAL_PORT,
    temporalUiPort: values.TEMPORAL_UI_PORT,
    temporalCliPath,
    workerDrainSeconds: values.WORKER_DRAIN_SECONDS,
    adminApiKeyIsSet: values.ADMIN_API_KEY !== undefined,
    logFormat: values.LOG_FORMAT ?? 'pretty',
  });
}

/**
 * The database alone, for commands that need nothing else.
 * @throws ConfigError where no database is known
 */
export function loadDatabaseConfig(env: Environment = readEnvironment()): {
  readonly databaseUrl: string;
} {
  const { values, faults } = readSettings(env);
  const databaseUrl = values.DATABASE_URL ?? readStackFile(dataPaths(values).dataDir)?.databaseUrl;
  if (!databaseUrl && !env['DATABASE_URL']) faults.push(missingServer('DATABASE_URL'));
  if (faults.length > 0 || !databaseUrl) throw new ConfigError(faults);
  return { databaseUrl };
}

/**
 * The Temporal server alone, for commands that need nothing else.
 * @throws ConfigError where no server is known
 */
export function loadTemporalTarget(env: Environment = readEnvironment()): {
  readonly address: string;
  readonly namespace: string;
} {
  const { values, faults } = readSettings(env);
  const address =
    values.TEMPORAL_ADDRESS ?? readStackFile(dataPaths(values).dataDir)?.temporalAddress;
  if (!address && !env['TEMPORAL_ADDRESS']) faults.push(missingServer('TEMPORAL_ADDRESS'));
  if (faults.length > 0 || !address) throw new ConfigError(faults);
  return { address, namespace: values.TEMPORAL_NAMESPACE };
}

/** Where a setting is wrong its default stands in `values`, so that the other faults can be found too. */
function readSettings(env: Environment): { values: SettingValues; faults: string[] } {
  const faults: string[] = [];
  const values: Partial<Record<SettingName, unknown>> = {};
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const { schema } = SETTINGS[name];
    const result = schema.safeParse(env[name]?.trim() || undefined);
    if (!result.success) faults.push(`${name} ${result.error.issues[0]?.message}.`);
    values[name] = result.success ? result.data : schema.parse(undefined);
  }
  if (Boolean(values.ADMIN_EMAIL) !== Boolean(values.ADMIN_PASSWORD)) {
    faults.push('ADMIN_EMAIL and ADMIN_PASSWORD belong together: set both or neither.');
  }
  // Names that are wrong are no names that are missing.
  if (faults.length === 0) {
    const all = values as SettingValues;
    faults.push(...readSpaces(all).faults, ...checkViewerMode(all, publicUrl(all)));
  }
  return { values: values as SettingValues, faults };
}

function dataPaths(values: SettingValues) {
  const dataDir = resolve(PROJECT_ROOT, values.DATA_DIR);
  const inRoot = (path: string | undefined, name: string) =>
    path === undefined ? join(dataDir, name) : resolve(PROJECT_ROOT, path);
  return {
    dataDir,
    mediaRoot: inRoot(values.MEDIA_ROOT, 'media'),
    processDir: inRoot(values.PROCESS_DIR, 'process'),
    workDir: inRoot(values.WORK_DIR, 'work'),
  };
}

function readRetention(values: SettingValues): Config['retention'] {
  return Object.freeze({
    keepOriginal: values.KEEP_ORIGINAL,
    keepOriginalDays: values.KEEP_ORIGINAL_DAYS ?? null,
    workRetentionDays: values.WORK_RETENTION_DAYS,
    deleteVideosAfterDays: values.DELETE_VIDEOS_AFTER_DAYS ?? null,
  });
}

/** One sentence for each pair of our own servers that were given the same port. */
function sharedPorts(values: SettingValues): string[] {
  const names = ['PORT', 'TEMPORAL_PORT', 'TEMPORAL_UI_PORT'] as const;
  return names.flatMap((name, index) =>
    names
      .slice(index + 1)
      .filter((other) => values[other] === values[name])
      .map((other) => `${name} and ${other} are both ${values[name]}: give each its own port.`),
  );
}

/** An address to listen on everywhere is no address to visit. */
function publicUrl(values: SettingValues): string {
  if (values.PUBLIC_URL !== undefined) return values.PUBLIC_URL;
  const everywhere = values.HOST === '0.0.0.0' || values.HOST === '::';
  const host = values.HOST.includes(':') ? `[${values.HOST}]` : values.HOST;
  return `http://${everywhere ? 'localhost' : host}:${values.PORT}`;
}

function findFfprobe(values: SettingValues, env: Environment, ffmpegPath: string | undefined) {
  if (values.FFPROBE_PATH !== undefined) return findProgram(values.FFPROBE_PATH, env);
  const sibling = values.FFMPEG_PATH && ffmpegPath && join(dirname(ffmpegPath), 'ffprobe');
  return (sibling && findProgram(sibling, env)) || findProgram('ffprobe', env);
}

/** A name without a slash is looked up on PATH, like a shell does. */
function findProgram(nameOrPath: string, env: Environment): string | undefined {
  if (nameOrPath.includes('/')) {
    const path = resolve(PROJECT_ROOT, nameOrPath);
    return isExecutable(path) ? path : undefined;
  }
  return (env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => isAbsolute(folder))
    .map((folder) => join(folder, nameOrPath))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function missingProgram(variable: string, asked: string): string {
  return `${asked} was not found: install it, or set ${variable} to its path.`;
}

function missingServer(variable: string): string {
  return `${variable} is not set and no stack runs on this data folder: run \`npm start\`, or set it.`;
}
