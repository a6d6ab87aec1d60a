import { describe, expect, it } from '@jest/globals';
import { Hono } from 'hono';
import type { AppEnv } from '../../../src/api/app-env.ts';
import { createProxyTrust } from '../../../src/api/proxy-trust.ts';

describe('createProxyTrust', () => {
  it.each([
    { case: 'no proxy is trusted', trusted: [], peer: '10.0.0.1', sees: '10.0.0.1 http://a.test' },
    {
      case: 'the peer is not a proxy',
      trusted: ['10.0.0.2'],
      peer: '10.0.0.1',
      sees: '10.0.0.1 http://a.test',
    },
    {
      case: 'the peer is a proxy',
      trusted: ['10.0.0.1'],
      peer: '10.0.0.1',
      sees: '198.51.100.7 https://a.test',
    },
    {
      case: 'a range',
      trusted: ['10.0.0.0/8'],
      peer: '10.9.9.9',
      sees: '198.51.100.7 https://a.test',
    },
    {
      case: 'IPv4 on an IPv6 socket',
      trusted: ['10.0.0.1'],
      peer: '::ffff:10.0.0.1',
      sees: '198.51.100.7 https://a.test',
    },
    { case: 'IPv6', trusted: ['fd00::/8'], peer: 'fd00::1', sees: '198.51.100.7 https://a.test' },
    {
      case: 'two proxies in a row',
      trusted: ['10.0.0.1', '198.51.100.7'],
      peer: '10.0.0.1',
      sees: '203.0.113.9 https://a.test',
    },
  ])(
    'believes forwarded headers of trusted proxies only: $case',
    async ({ trusted, peer, sees }) => {
      expect(await look(trusted, peer)).toBe(sees);
    },
  );

  it.each(['proxy.example', '10.0.0.0/33', '10.0.0.1/x', ''])('refuses %j as a proxy', (proxy) => {
    expect(() => createProxyTrust([proxy])).toThrow('TRUSTED_PROXIES');
  });
});

async function look(trusted: readonly string[], peer: string): Promise<string> {
  const trust = createProxyTrust(trusted);
  const app = new Hono<AppEnv>();
  app.get('/', (c) => {
    const { clientAddress, origin } = trust.look(c);
    return c.text(`${clientAddress} ${origin}`);
  });
  const headers = {
    Host: 'A.test',
    'X-Forwarded-For': '192.0.2.66, 203.0.113.9, 198.51.100.7',
    'X-Forwarded-Proto': 'https',
  };
  const env = { incoming: { socket: { remoteAddress: peer } } };
  const response = await app.request(
    'http://a.test/',
    { headers },
    env as unknown as AppEnv['Bindings'],
  );
  return response.text();
}
