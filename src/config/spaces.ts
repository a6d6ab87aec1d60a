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

const NEEDED = [
  'SPACES_ACCESS_KEY',
  'SPACES_SECRET_KEY',
  'SPACES_BUCKET_NAME',
  'SPACES_ENDPOINT_URL',
] as const;

/** @returns undefined where media lie on the disk, or where a setting is missing, which is told in `faults` */
export function readSpaces(values: SettingValues): {
  readonly spaces: SpacesConfig | undefined;
  readonly faults: readonly string[];
} {
  if (!values.USE_SPACES) return { spaces: undefined, faults: [] };
  const missing = NEEDED.filter((name) => values[name] === undefined);
  const {
    SPACES_ACCESS_KEY: accessKey,
    SPACES_SECRET_KEY: secretKey,
    SPACES_BUCKET_NAME: bucket,
    SPACES_ENDPOINT_URL: endpoint,
  } = values;
  if (!accessKey || !secretKey || !bucket || !endpoint) {
    return {
      spaces: undefined,
      faults: missing.map((name) => `${name} is not set, and USE_SPACES needs it.`),
    };
  }
  return {
    spaces: {
      endpoint,
      region: values.SPACES_REGION,
      bucket,
      accessKey,
      secretKey,
      forcePathStyle: values.SPACES_FORCE_PATH_STYLE ?? hasNoNames(endpoint),
      prefix: values.SPACES_PREFIX,
      checksums: values.SPACES_CHECKSUMS,
      cdnUrl: values.SPACES_CDN_MODE === 'signed' ? values.SPACES_CDN_URL : undefined,
    },
    faults: [],
  };
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
