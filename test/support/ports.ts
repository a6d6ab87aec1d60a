import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { randomInt } from 'node:crypto';
import { isPortFree } from '../../src/stack/ports.ts';

/** Below those that Linux and macOS give to whoever does not mind which one he gets (from 32768 and 49152). */
const FIRST = 15_000;
const LAST = 32_000;

/**
 * A port of the loopback address for a server that is started later, or again and again: nobody gets it by chance, and no other
 * caller, in whatever process, as long as this one lives.
 */
export async function reservePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, LAST);
    if ((await isPortFree(port, '127.0.0.1')) && (await holdUdp(port))) return port;
  }
}

/** The port of the same number of UDP stands for it: it can be held without being in the way. */
async function holdUdp(port: number): Promise<boolean> {
  const socket = createSocket('udp4').unref();
  try {
    socket.bind({ port, address: '127.0.0.1', exclusive: true });
    await once(socket, 'listening');
    return true;
  } catch {
    socket.close();
    return false;
  }
}
