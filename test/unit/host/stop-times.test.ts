import { describe, expect, it } from '@jest/globals';
import { STOP_MS } from '../../../src/host/stop-times.ts';
import { PROJECT_ROOT } from '../../../src/config/env.ts';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

describe('STOP_MS', () => {
  it('gives each process a second more than it gives its own work', () => {
    expect(STOP_MS.api - STOP_MS.requests).toBeGreaterThanOrEqual(1000);
    expect(STOP_MS.worker - STOP_MS.activities).toBeGreaterThanOrEqual(1000);
  });

  it('adds up to less than 15 s', () => {
    const services = Math.max(STOP_MS.api, STOP_MS.worker);
    expect(services + STOP_MS.temporal + STOP_MS.postgres).toBeLessThan(15_000);
  });

  it('is shorter than what containers get', () => {
    const { services } = parse(readFileSync(join(PROJECT_ROOT, 'docker-compose.yml'), 'utf8')) as {
      services: Record<string, { stop_grace_period: string }>;
    };
    const seconds = (name: string) =>
      Number(/(\d+)s/.exec(services[name]?.stop_grace_period ?? '')?.[1]);
    expect(seconds('api') * 1000).toBeGreaterThan(STOP_MS.api);
    expect(seconds('worker') * 1000).toBeGreaterThan(STOP_MS.worker);
  });
});
