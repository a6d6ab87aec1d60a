import { isIP } from 'node:net';
import { z } from 'zod';

/** One environment variable: how it is read, and what a person must know to set it. */
export interface Setting<T = unknown> {
  /** Reads the text of the variable; an unset or empty variable arrives as undefined. */
  readonly schema: z.ZodType<T>;
  /** What it decides, one sentence. */
  readonly description: string;
  /** Unit or shape of the value. */
  readonly unit: string;
  /** The default as a person would write it; `none` where there is none. */
  readonly default: string;
  /** Why the default is what it is. */
  readonly reason: string;
}

/**
 * So many times `RECONCILE_GRACE_SECONDS` without a new part, and an unfinished upload in a bucket is taken for dead: of one by another
 * process only its newest part is known, and a slow client may take long for the next.
 */
export const ABANDONED_GRACES = 24;

/** Every setting there is. Documentation and `.env.example` name exactly these. */
export const SETTINGS = {
  HOST: setting(text('127.0.0.1'), {
    description: 'Address the API listens on.',
    unit: 'IP address or host name',
    reason: 'Nobody else can reach it until you say so.',
  }),
  PORT: setting(port(3000), {
    description: 'Port the API listens on.',
    unit: 'TCP port',
    reason: 'The usual port of a Node server.',
  }),
  PUBLIC_URL: setting(optional(httpUrl()), {
    description: 'Address under which people reach the API; absolute links begin with it.',
    unit: 'URL',
    default: 'from HOST and PORT',
    reason: 'Right as long as no proxy stands in front.',
  }),
  TRUSTED_PROXIES: setting(addressRanges(), {
    description: 'Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.',
    unit: 'IP addresses or CIDR ranges, separated by commas',
    default: 'none',
    reason: 'A header that anybody can send proves nothing.',
  }),
  DATA_DIR: setting(text('./data'), {
    description: 'Folder of everything kept on this machine; relative to the checkout.',
    unit: 'path',
    reason: 'One folder to back up.',
  }),
  MEDIA_ROOT: setting(optional(z.string()), {
    description: 'Folder of originals, renditions and thumbnails.',
    unit: 'path',
    default: '$DATA_DIR/media',
    reason: 'May move to a bigger disk than the rest.',
  }),
  PROCESS_DIR: setting(optional(z.string()), {
    description: 'Folder of the metadata files of uploads that are not in the database yet.',
    unit: 'path',
    default: '$DATA_DIR/process',
    reason: 'On the same machine as the API process that wrote them.',
  }),
  WORK_DIR: setting(optional(z.string()), {
    description:
      'Scratch folder of running ffmpeg processes, cleared by the worker, and with object storage its cache.',
    unit: 'path',
    default: '$DATA_DIR/work',
    reason: 'On the disk of the media, so that finished files are moved and not copied.',
  }),
  DATABASE_URL: setting(optional(postgresUrl()), {
    description: 'PostgreSQL to use, version 14 or later.',
    unit: 'URL, postgresql://user:password@host:port/database',
    default: 'the embedded one',
    reason: '`npm start` brings its own PostgreSQL.',
  }),
  TEMPORAL_ADDRESS: setting(optional(hostAndPort()), {
    description: 'Temporal server to use.',
    unit: 'host:port',
    default: 'the embedded one',
    reason: '`npm start` brings its own development server.',
  }),
  TEMPORAL_NAMESPACE: setting(text('default'), {
    description: 'Temporal namespace of all workflows.',
    unit: 'name',
    reason: 'The one every Temporal server of a single product has.',
  }),
  TEMPORAL_UI_URL: setting(optional(httpUrl()), {
    description: 'Address of the Temporal Web UI that links point to.',
    unit: 'URL',
    default: 'the embedded one',
    reason: '`npm start` knows its own; another server must be told.',
  }),
  TEMPORAL_PORT: setting(port(7233), {
    description: 'Port of the embedded Temporal server.',
    unit: 'TCP port',
    reason: "Temporal's own default.",
  }),
  TEMPORAL_UI_PORT: setting(port(8233), {
    description: "Port of the embedded Temporal server's Web UI.",
    unit: 'TCP port',
    reason: "Temporal's own default.",
  }),
  TEMPORAL_CLI_PATH: setting(optional(z.string()), {
    description: 'Temporal CLI to run, version 1.7 or later.',
    unit: 'path',
    default: 'found on PATH, else fetched once into .cache',
    reason: 'Only needed where it cannot be fetched.',
  }),
  USE_SPACES: setting(boolean(false), {
    description:
      'Whether media lie in DigitalOcean Spaces, or any store that speaks S3, and not on this disk.',
    unit: 'true or false (also yes, no, 1, 0)',
    reason: 'A disk is there; a bucket has to be made first.',
  }),
  SPACES_ACCESS_KEY: setting(optional(secret(1)), {
    description: 'Access key of the object storage.',
    unit: 'text without spaces',
    reason: 'Needed with USE_SPACES.',
  }),
  SPACES_SECRET_KEY: setting(optional(secret(1)), {
    description: 'Secret that belongs to SPACES_ACCESS_KEY; never logged.',
    unit: 'text without spaces',
    reason: 'Needed with USE_SPACES.',
  }),
  SPACES_BUCKET_NAME: setting(optional(bucketName()), {
    description:
      'Bucket of the media. It must be there, and no other product should write below the same prefix.',
    unit: 'name',
    reason: 'Needed with USE_SPACES.',
  }),
  SPACES_ENDPOINT_URL: setting(optional(httpUrl()), {
    description:
      'Address of the object storage, without the bucket: https://nyc3.digitaloceanspaces.com',
    unit: 'URL',
    reason: 'Needed with USE_SPACES.',
  }),
  SPACES_REGION: setting(text('us-east-1'), {
    description: 'Region that requests are signed for.',
    unit: 'name',
    reason:
      'What every store takes that has no regions of its own, Spaces too; Amazon wants the real one.',
  }),
  SPACES_FORCE_PATH_STYLE: setting(optional(flag()), {
    description:
      'Whether the bucket goes into the path of addresses and not in front of the host name.',
    unit: 'true or false (also yes, no, 1, 0)',
    default: 'true where SPACES_ENDPOINT_URL has an IP address or localhost, else false',
    reason: 'Names of buckets can be resolved at every public store, and at few private ones.',
  }),
  SPACES_PREFIX: setting(keyPrefix(), {
    description: 'Beginning of all keys in the bucket.',
    unit: 'path, as in `steadyreel/`',
    default: 'none',
    reason: 'The bucket is ours alone.',
  }),
  SPACES_CHECKSUMS: setting(oneOf('when-required', ['when-required', 'when-supported']), {
    description:
      'Whether requests carry the checksums of newer S3 besides the signature over their bytes.',
    unit: '`when-required` or `when-supported` (Amazon)',
    reason: 'Many stores other than Amazon’s refuse them.',
  }),
  SPACES_CDN_MODE: setting(oneOf('off', ['off', 'signed', 'public']), {
    description:
      'Whether viewers are sent to a CDN in front of the bucket; needs VIEWER_MODE=redirect.',
    unit: '`off` or `signed` (addresses signed for the bucket; the CDN keeps no copies). `public` is for videos that anybody may see, of which there are none yet',
    reason: 'A signed address costs the same at the bucket itself, or less.',
  }),
  SPACES_CDN_URL: setting(optional(originUrl()), {
    description: 'Address of that CDN: https://media.nyc3.cdn.digitaloceanspaces.com',
    unit: 'URL without a path',
    reason: 'Needed with SPACES_CDN_MODE=signed.',
  }),
  VIEWER_MODE: setting(oneOf('proxy', ['proxy', 'redirect']), {
    description:
      'How viewers get the bytes of media in object storage: through the API, or sent on to the storage with an address that lasts for a while.',
    unit: '`proxy` or `redirect`',
    reason:
      'Works wherever the API can be reached; `redirect` needs a storage that viewers reach too.',
  }),
  OLD_SPACES_ACCESS_KEY: setting(optional(secret(1)), {
    description: 'Access key of the bucket where media lay before.',
    unit: 'text without spaces',
    reason: 'Needed with OLD_SPACES_BUCKET_NAME.',
  }),
  OLD_SPACES_SECRET_KEY: setting(optional(secret(1)), {
    description: 'Secret that belongs to OLD_SPACES_ACCESS_KEY; never logged.',
    unit: 'text without spaces',
    reason: 'Needed with OLD_SPACES_BUCKET_NAME.',
  }),
  OLD_SPACES_BUCKET_NAME: setting(optional(bucketName()), {
    description:
      'Bucket where media lay before: what is still there is read from there, and can be moved.',
    unit: 'name',
    reason: 'Most installations have had one place only.',
  }),
  OLD_SPACES_ENDPOINT_URL: setting(optional(httpUrl()), {
    description: 'Address of its object storage, without the bucket.',
    unit: 'URL',
    reason: 'Needed with OLD_SPACES_BUCKET_NAME.',
  }),
  OLD_SPACES_REGION: setting(text('us-east-1'), {
    description: 'Its region, as SPACES_REGION.',
    unit: 'name',
    reason: 'As for SPACES_REGION.',
  }),
  OLD_SPACES_FORCE_PATH_STYLE: setting(optional(flag()), {
    description: 'As SPACES_FORCE_PATH_STYLE.',
    unit: 'true or false (also yes, no, 1, 0)',
    default: 'true where OLD_SPACES_ENDPOINT_URL has an IP address or localhost, else false',
    reason: 'As for SPACES_FORCE_PATH_STYLE.',
  }),
  OLD_SPACES_PREFIX: setting(keyPrefix(), {
    description: 'As SPACES_PREFIX.',
    unit: 'path, as in `steadyreel/`',
    default: 'none',
    reason: 'As for SPACES_PREFIX.',
  }),
  SOURCE_CACHE_MB: setting(integer(8192, 0, 100_000_000), {
    description:
      'Disk of a worker for originals and pieces it has fetched from object storage or stored there; 0 keeps nothing.',
    unit: 'MiB',
    reason:
      'Each chunk of a video reads its original: fetched once, and pieces made here not at all.',
  }),
  MAX_VIDEO_PROCESSING_TASKS: setting(integer(2, 1, 64), {
    description: 'Heavy ffmpeg activities that one worker process runs at the same time.',
    unit: 'count',
    reason: 'Two encodes keep two cores busy without starving the API.',
  }),
  FFMPEG_MEMORY_MB: setting(optional(wholeNumber(64)), {
    description:
      'Memory for all encoders of one worker process together, by estimate; a piece without room waits, one that never fits runs alone.',
    unit: 'MB of 1024² bytes',
    default: '40 % of what the worker may use, a container’s limit respected',
    reason: 'On 2 GB the rest is for the database, Temporal, the API and the worker itself.',
  }),
  VIDEO_PROCESSING_TIMEOUT: setting(integer(600, 1, 86_400), {
    description: 'Time one piece of work may run; queueing and transfers are not counted.',
    unit: 'seconds',
    reason: 'Far above any healthy piece, so that only a stuck one meets it.',
  }),
  VIDEO_PROFILE: setting(oneOf('ladder', ['ladder', '720p']), {
    description: 'Profile of uploads that name none.',
    unit: '`ladder` (240p to 1080p) or `720p` (one rendition)',
    reason: 'Viewers differ in screens and connections.',
  }),
  VIDEO_CRF: setting(integer(22, 0, 51), {
    description: 'Quality aimed at; lower is better and bigger.',
    unit: 'x264 CRF',
    reason: 'Visually close to the source, under the bitrate cap of each resolution.',
  }),
  VIDEO_PRESET: setting(
    oneOf('veryfast', [
      ...['ultrafast', 'superfast', 'veryfast', 'faster', 'fast'],
      ...['medium', 'slow', 'slower', 'veryslow'],
    ]),
    {
      description: 'Effort of the encoder; slower is smaller.',
      unit: 'x264 preset',
      reason: 'The best bargain of time and size on small machines.',
    },
  ),
  DECODE_CHECK: setting(oneOf('smallest', ['smallest', 'all']), {
    description:
      'Which finished renditions are decoded from end to end before a version is published.',
    unit: '`smallest` (the lowest resolution) or `all`',
    reason:
      'Packets, times and lengths are checked of all of them; decoding each one as well costs about a seventh of what encoding did.',
  }),
  ON_TRUNCATED: setting(oneOf('fail', ['fail', 'keep']), {
    description: 'What becomes of a video whose file ends before it says so.',
    unit: '`fail`, or `keep` (what is there, with a warning)',
    reason: 'Most are broken uploads, and whoever sent one wants to know.',
  }),
  MAX_UPLOAD_BYTES: setting(integer(20 * 1024 ** 3, 1), {
    description: 'Largest file that is accepted.',
    unit: 'bytes',
    reason: '20 GiB: six hours of a phone camera.',
  }),
  MEMBER_QUOTA_BYTES: setting(optional(wholeNumber(0)), {
    description:
      'Most that the videos of one member may take: originals and what is published of them. Administrators have no limit.',
    unit: 'bytes',
    default: 'no limit',
    reason: 'Most servers are for people who trust each other.',
  }),
  MAX_VIDEO_DURATION_SECONDS: setting(integer(6 * 3600, 1), {
    description: 'Longest video that is processed.',
    unit: 'seconds',
    reason: 'Six hours: longer ones are mostly mistakes.',
  }),
  KEEP_ORIGINAL: setting(boolean(true), {
    description:
      'Whether the uploaded file stays once its video is completed; else the processed version takes its place.',
    unit: 'true or false (also yes, no, 1, 0)',
    reason: 'Nothing made from it can be as good as the original.',
  }),
  KEEP_ORIGINAL_DAYS: setting(optional(wholeNumber(0, 36_500)), {
    description:
      'How long originals stay after their video was completed; then the processed version takes their place.',
    unit: 'days',
    default: 'none: for ever, where KEEP_ORIGINAL is true',
    reason: 'What is gone does not come back.',
  }),
  DELETE_VIDEOS_AFTER_DAYS: setting(optional(wholeNumber(1, 36_500)), {
    description: 'Age from which videos are deleted, with all that belongs to them.',
    unit: 'days since the upload',
    default: 'none: never',
    reason: 'What is gone does not come back.',
  }),
  WORK_RETENTION_DAYS: setting(integer(7, 0, 3650), {
    description: 'How long finished pieces of a failed run are kept for the next try.',
    unit: 'days',
    reason: 'Time enough to see the failure and retry.',
  }),
  OLD_VERSION_GRACE_SECONDS: setting(integer(21_600, 0), {
    description: 'How long the files of a replaced version stay for viewers in the middle of it.',
    unit: 'seconds',
    reason: 'Six hours: the longest video.',
  }),
  PLATFORM_FAULT_PATIENCE_SECONDS: setting(integer(86_400, 0), {
    description: 'How long a run waits for a store, database or disk that is in trouble.',
    unit: 'seconds',
    reason: 'A day: somebody has looked by then.',
  }),
  DISK_MARGIN_MB: setting(optional(wholeNumber(0)), {
    description:
      'What uploads and runs leave free of each disk that they fill; below it uploads are refused and runs wait.',
    unit: 'MiB',
    default: '5 % of the disk, at most 2048',
    reason: 'PostgreSQL and Temporal, on the same disk for the most part, stop where it is full.',
  }),
  RECONCILE_GRACE_SECONDS: setting(integer(3600, 1), {
    description: `Age below which no stored file is taken for a leftover; ${ABANDONED_GRACES} times that for an unfinished upload in a bucket.`,
    unit: 'seconds',
    reason: 'An hour: a file is entered within seconds of being stored.',
  }),
  WORKER_DRAIN_SECONDS: setting(integer(0, 0, 86_400), {
    description: 'Time a stopping worker gives its running activities to finish.',
    unit: 'seconds',
    reason: 'Stopped work is repeated elsewhere at no loss but time.',
  }),
  ADMIN_API_KEY: setting(optional(secret(16)), {
    description: 'First API key of the administrator.',
    unit: 'text of 16 characters or more, without spaces',
    default: 'generated, kept in $DATA_DIR/admin-api-key',
    reason: 'No default password exists.',
  }),
  ADMIN_EMAIL: setting(optional(z.email('must be an e-mail address')), {
    description: 'Administrator who can log in from the first start; needs ADMIN_PASSWORD.',
    unit: 'e-mail address',
    reason: 'No default account exists.',
  }),
  ADMIN_PASSWORD: setting(optional(z.string().min(8, 'must have at least 8 characters')), {
    description: 'Password of ADMIN_EMAIL; used only when that account is made.',
    unit: 'text of 8 characters or more',
    reason: 'No default password exists.',
  }),
  ALLOW_SIGN_UP: setting(boolean(false), {
    description: 'Whether strangers may make an account.',
    unit: 'true or false (also yes, no, 1, 0)',
    reason: 'Uploads cost disk and processor time.',
  }),
  FFMPEG_PATH: setting(optional(z.string()), {
    description: 'ffmpeg to run, version 5.1 or later.',
    unit: 'path or name',
    default: 'ffmpeg on PATH',
    reason: 'The distribution keeps it patched.',
  }),
  FFPROBE_PATH: setting(optional(z.string()), {
    description: 'ffprobe to run, of the same version.',
    unit: 'path or name',
    default: 'beside FFMPEG_PATH, else ffprobe on PATH',
    reason: 'The two belong together.',
  }),
  SANDBOX: setting(oneOf('auto', ['auto', 'require', 'off']), {
    description:
      'Whether ffmpeg and ffprobe run without network and without any files but their own (bubblewrap).',
    unit: '`auto` (where it works, else a warning), `require` (the worker does not start without) or `off`',
    reason: 'Uploads are strangers’ files, but not every host allows user namespaces.',
  }),
  LOG_LEVEL: setting(
    oneOf('info', ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    {
      description: 'Least important messages that are logged.',
      unit: 'trace, debug, info, warn, error, fatal or silent',
      reason: 'One line for each step of a video.',
    },
  ),
  LOG_FORMAT: setting(optional(z.enum(['pretty', 'json'], 'must be pretty or json')), {
    description: 'Log lines for people or for machines.',
    unit: 'pretty or json',
    default: 'pretty in a terminal and under `npm start`, else json',
    reason: 'Each reader gets what it can read.',
  }),
} as const satisfies Record<string, Setting>;

/** Name of a setting. */
export type SettingName = keyof typeof SETTINGS;

/** All settings as read, each of its own type. */
export type SettingValues = {
  readonly [Name in SettingName]: z.output<(typeof SETTINGS)[Name]['schema']>;
};

type Facts = Omit<Setting, 'schema' | 'default'> & { readonly default?: string };

function setting<Schema extends z.ZodType>(schema: Schema, facts: Facts) {
  const value = schema.safeParse(undefined).data as string | number | boolean | undefined;
  return { ...facts, default: facts.default ?? String(value ?? 'none'), schema };
}

function text(fallback: string) {
  return z.string().default(fallback);
}

function optional<Schema extends z.ZodType>(schema: Schema) {
  return schema.optional();
}

function integer(fallback: number, min: number, max?: number) {
  return wholeNumber(min, max).default(fallback);
}

function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER) {
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  const message = `must be a whole number ${range}`;
  return z
    .string()
    .regex(/^\d{1,16}$/, message)
    .transform(Number)
    .refine((value) => value >= min && value <= max, message);
}

function port(fallback: number) {
  return integer(fallback, 1, 65_535);
}

function boolean(fallback: boolean) {
  return flag().default(fallback);
}

function flag() {
  return z
    .string()
    .regex(/^(true|false|1|0|yes|no)$/i, 'must be true or false')
    .transform((value) => /^(true|1|yes)$/i.test(value));
}

/** Source: Amazon S3 rules for bucket names, without the finer ones. */
function bucketName() {
  return z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
      'must be the name of a bucket: 3 to 63 lower-case letters, digits, hyphens and dots',
    );
}

function keyPrefix() {
  return z
    .string()
    .default('')
    .transform((value) => value.replace(/^\/+|\/+$/g, ''))
    .refine((value) => value === '' || /^(\w[\w.-]*)(\/\w[\w.-]*)*$/.test(value), {
      error: 'must be plain letters and digits, in parts joined by slashes',
    })
    .transform((value) => (value === '' ? '' : `${value}/`));
}

function oneOf<const Choice extends string>(fallback: NoInfer<Choice>, choices: readonly Choice[]) {
  return z.enum(choices, `must be one of ${choices.join(', ')}`).default(() => fallback);
}

function addressRanges() {
  return z
    .string()
    .default('')
    .transform((value) =>
      value
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== ''),
    )
    .refine((ranges) => ranges.every(isAddressRange), {
      error: 'must be IP addresses or ranges like 10.0.0.0/8, separated by commas',
    });
}

function isAddressRange(range: string): boolean {
  const [address = '', bits, ...rest] = range.split('/');
  const version = isIP(address);
  const isPrefix =
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 6 ? 128 : 32));
  return version !== 0 && isPrefix && rest.length === 0;
}

function secret(minLength: number) {
  const message = `must have at least ${minLength} characters and no spaces`;
  return z.string().min(minLength, message).regex(/^\S+$/, message);
}

function httpUrl() {
  return z
    .url({ protocol: /^https?$/, error: 'must be a URL that begins with http:// or https://' })
    .transform((value) => value.replace(/\/+$/, ''));
}

function originUrl() {
  return httpUrl().refine((value) => /^\w+:\/\/[^/?#@]+$/.test(value), {
    error: 'must be an address without a path',
  });
}

function postgresUrl() {
  return z.url({
    protocol: /^postgres(ql)?$/,
    error: 'must be a URL that begins with postgresql://',
  });
}

function hostAndPort() {
  return z.string().regex(/^(\[[0-9a-f:.]+\]|[^\s:/]+):\d{1,5}$/i, 'must be host:port');
}
