import { BlockList, isIP } from 'node:net';
import type { Context } from 'hono';
import type { AppEnv } from './app-env.ts';

/** Who makes a request, and by which address: the peer's word, or that of a proxy that may speak for others. */
export interface ProxyTrust {
  look(c: Context<AppEnv>): { readonly clientAddress: string; readonly origin: string };
}

/**
 * @param proxies addresses or CIDR ranges whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed
 * @throws Error that names an entry which is neither
 */
export function createProxyTrust(proxies: readonly string[]): ProxyTrust {
  const trusted = new BlockList();
  for (const proxy of proxies) addRange(trusted, proxy);
  const isTrusted = (address: string): boolean => {
    const version = isIP(address);
    return version !== 0 && trusted.check(address, version === 6 ? 'ipv6' : 'ipv4');
  };

  return {
    look(c) {
      const socket = c.env?.incoming?.socket;
      const peer = plainAddress(socket?.remoteAddress ?? '');
      const isProxied = isTrusted(peer);
      const hops = isProxied ? listOf(c.req.header('X-Forwarded-For')) : [];
      // From our side: the first hop that is not a proxy of ours is the caller; what stands before it anybody could write.
      const caller = hops.map(plainAddress).findLast((hop) => !isTrusted(hop));
      const isTls = socket !== undefined && 'encrypted' in socket && socket.encrypted === true;
      const forwarded = isProxied ? listOf(c.req.header('X-Forwarded-Proto')).at(-1) : undefined;
      const scheme = forwarded === 'https' || (forwarded === undefined && isTls) ? 'https' : 'http';
      const host = c.req.header('Host') ?? new URL(c.req.url).host;
      return { clientAddress: caller ?? peer, origin: `${scheme}://${host.toLowerCase()}` };
    },
  };
}

function addRange(list: BlockList, range: string): void {
  const [address = '', bits] = range.split('/');
  const version = isIP(address);
  const family = version === 6 ? 'ipv6' : 'ipv4';
  const prefix = bits === undefined ? (version === 6 ? 128 : 32) : Number(bits);
  if (
    version === 0 ||
    !Number.isInteger(prefix) ||
    prefix < 0 ||
    prefix > (version === 6 ? 128 : 32)
  ) {
    throw new Error(
      `TRUSTED_PROXIES names ${range}, which is neither an IP address nor a range like 10.0.0.0/8.`,
    );
  }
  list.addSubnet(address, prefix, family);
}

/** IPv4 that arrives on an IPv6 socket is still IPv4; IPv6 in a header may stand in brackets or with a port. */
function plainAddress(address: string): string {
  const bare =
    /^\[([^\]]+)\]/.exec(address)?.[1] ?? address.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1');
  return bare.replace(/^::ffff:(?=\d+\.)/i, '');
}

function listOf(header: string | undefined): readonly string[] {
  return (header ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
