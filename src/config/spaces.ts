import { isIP } from 'node:net';
import type { SettingValues } from './settings.ts';

/** Object storage, as the settings `USE_SPACES` and `SPACES_*` describe it. */
export interface SpacesConfig {
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly forcePathStyle: boolean;
  /** Empty, or ending in `/`. */
  readonly prefix: string;
  readonly checksums: 'when-required' | 'when-supported';
  /** Of a CDN that viewers are sent to. */
  readonly cdnUrl?: string | undefined;
}

const NEEDED = ['ACCESS_KEY', 'SECRET_KEY', 'BUCKET_NAME', 'ENDPOINT_URL'] as const;

/** What is `undefined` is not used, or lacks a setting, which is told in `faults`. */
export interface SpacesSettings {
  /** Where media are stored; undefined where that is the disk. */
  readonly spaces: SpacesConfig | undefined;
  /** Where media lay before. */
  readonly oldSpaces: SpacesConfig | undefined;
  readonly faults: readonly string[];
}

export function readSpaces(values: SettingValues): SpacesSettings {
  const isOldUsed = NEEDED.some((name) => values[`OLD_SPACES_${name}`] !== undefined);
  const spaces = values.USE_SPACES ? readBucket(values, 'SPACES', 'USE_SPACES') : [];
  const oldSpaces = isOldUsed ? readBucket(values, 'OLD_SPACES', 'OLD_SPACES_…') : [];
  const faults = [...spaces, ...oldSpaces].filter((each) => typeof each === 'string');
  const [main, old] = [spaces, oldSpaces].map(([first]) =>
    typeof first === 'string' ? undefined : first,
  );
  if (main !== undefined && old !== undefined && placeOf(main) === placeOf(old))
    faults.push('OLD_SPACES_… and SPACES_… name the same place: leave OLD_SPACES_… out.');
  return { spaces: main, oldSpaces: old, faults };
}

/** The place that these settings name, whoever is let in by them: how the database knows it. */
export function placeOf({ endpoint, bucket, prefix }: SpacesConfig): string {
  return `${endpoint.replace(/\/+$/, '')}/${bucket}/${prefix}`.replace(/\/+$/, '');
}

/** @returns the bucket, or one sentence for each setting that is missing */
function readBucket(
  values: SettingValues,
  group: 'SPACES' | 'OLD_SPACES',
  user: string,
): readonly [SpacesConfig] | readonly string[] {
  const accessKey = values[`${group}_ACCESS_KEY`];
  const secretKey = values[`${group}_SECRET_KEY`];
  const bucket = values[`${group}_BUCKET_NAME`];
  const endpoint = values[`${group}_ENDPOINT_URL`];
  if (!accessKey || !secretKey || !bucket || !endpoint) {
    return NEEDED.map((name) => `${group}_${name}` as const)
      .filter((name) => values[name] === undefined)
      .map((name) => `${name} is not set, and ${user} needs it.`);
  }
  return [
    {
      endpoint,
      region: values[`${group}_REGION`],
      bucket,
      accessKey,
      secretKey,
      forcePathStyle: values[`${group}_FORCE_PATH_STYLE`] ?? hasNoNames(endpoint),
      prefix: values[`${group}_PREFIX`],
      checksums: group === 'SPACES' ? values.SPACES_CHECKSUMS : 'when-required',
      // Viewers are sent to the main one only.
      cdnUrl:
        group === 'SPACES' && values.SPACES_CDN_MODE === 'signed'
          ? values.SPACES_CDN_URL
          : undefined,
    },
  ];
}

/** What is wrong with the way that viewers are to go, one sentence each. @param publicUrl of the pages that they come from */
export function checkViewerMode(values: SettingValues, publicUrl: string): readonly string[] {
  const { VIEWER_MODE, SPACES_CDN_MODE, SPACES_CDN_URL, SPACES_ENDPOINT_URL } = values;
  if (SPACES_CDN_MODE === 'public')
    return [
      'SPACES_CDN_MODE=public would be for videos that anybody may see, and all videos are private so far: set it to off or signed.',
    ];
  if (SPACES_CDN_MODE === 'signed' && VIEWER_MODE !== 'redirect')
    return ['SPACES_CDN_MODE=signed sends viewers to the CDN: set VIEWER_MODE=redirect too.'];
  if (VIEWER_MODE !== 'redirect') return [];
  if (!values.USE_SPACES)
    return [
      'VIEWER_MODE=redirect sends viewers to the object storage, and media lie on this disk: set USE_SPACES=true, or VIEWER_MODE=proxy.',
    ];
  if (SPACES_CDN_MODE === 'signed' && SPACES_CDN_URL === undefined)
    return ['SPACES_CDN_URL is not set, and SPACES_CDN_MODE=signed needs it.'];
  // Told elsewhere.
  if (SPACES_ENDPOINT_URL === undefined) return [];
  if (SPACES_CDN_MODE === 'signed' && hasNoNames(SPACES_ENDPOINT_URL))
    return [
      'SPACES_CDN_MODE=signed needs a SPACES_ENDPOINT_URL with a host name, in front of which the bucket’s name can stand.',
    ];
  const isPlain = (SPACES_CDN_MODE === 'signed' ? SPACES_CDN_URL : SPACES_ENDPOINT_URL)?.startsWith(
    'http:',
  );
  return isPlain === true && publicUrl.startsWith('https:')
    ? [
        'VIEWER_MODE=redirect sends viewers of PUBLIC_URL, which is https, to an address that is plain http, which browsers refuse: give the object storage a certificate, or set VIEWER_MODE=proxy.',
      ]
    : [];
}

/** An address without a name has none for buckets either. */
function hasNoNames(endpoint: string): boolean {
  const { hostname } = new URL(endpoint);
  return hostname === 'localhost' || isIP(hostname.replace(/^\[|\]$/g, '')) !== 0;
}
