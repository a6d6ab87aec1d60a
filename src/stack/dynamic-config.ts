import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FILE = fileURLToPath(new URL('../../temporal/dynamic-config.yaml', import.meta.url));

/** The Temporal server's dynamic configuration, one `KEY=JSON` for each value, as its development server takes them. */
export function readDynamicConfig(): string[] {
  return parseDynamicConfig(readFileSync(FILE, 'utf8'));
}

/**
 * Reads the plain kind of dynamic configuration: each key with one value and no constraints.
 * @throws Error naming the line that is anything else
 */
export function parseDynamicConfig(yaml: string): string[] {
  const settings: string[] = [];
  let key: string | undefined;
  for (const line of yaml.split('\n').map((text) => text.replace(/\s+$/, ''))) {
    if (line === '' || line.startsWith('#')) continue;
    const [, newKey, value] = /^(?:([\w.]+):|\s+- value: (\S+))$/.exec(line) ?? [];
    if (newKey !== undefined && key === undefined) key = newKey;
    else if (value !== undefined && key !== undefined) {
      settings.push(`${key}=${value}`);
      key = undefined;
    } else {
      throw new Error(
        `Dynamic configuration may only hold plain values, and this is none: ${line}`,
      );
    }
  }
  return settings;
}
