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
    },
    faults: [],
  };
}

/** An address without a name has none for buckets either. */
function hasNoNames(endpoint: string): boolean {
  const { hostname } = new URL(endpoint);
  return hostname === 'localhost' || isIP(hostname.replace(/^\[|\]$/g, '')) !== 0;
}
