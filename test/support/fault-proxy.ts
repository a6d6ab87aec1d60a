import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What befalls one request on its way; nothing: it passes. */
export type Fault =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** The connection ends after so many bytes of the answer's body, having promised all. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** The request arrives and is done, its answer never comes back: the connection ends. */
  | { readonly kind: 'lose-answer' }
  /** Nothing is ever answered. */
  | { readonly kind: 'hang' }
  /** So many bytes of the answer's body, then nothing. */
  | { readonly kind: 'stall'; readonly afterBytes: number };

/**
 * A proxy in front of a real server, which does what networks do. What is signed stays signed: the server hears the host that the
 * caller has called.
 */
export interface FaultProxy {
  readonly port: number;
  /** Method and path of every request so far. */
  readonly seen: readonly string[];
  /** Asked for each request; put in another one at any time. */
  choose: (request: IncomingMessage) => Fault | undefined;
  /** Connections to it that are open. */
  countConnections(): Promise<number>;
  close(): Promise<void>;
}

/** @param host what the server is to hear instead, as a CDN calls its origin */
export async function startFaultProxy(targetPort: number, host?: string): Promise<FaultProxy> {
  const agent = new Agent({ keepAlive: false });
  const seen: string[] = [];
  const server = createServer((incoming, outgoing) => {
    seen.push(`${incoming.method} ${incoming.url}`);
    const fault = proxy.choose(incoming);
    if (fault?.kind === 'hang') return void incoming.resume();
    if (fault?.kind === 'answer') {
      incoming.resume();
      outgoing.writeHead(fault.status, fault.headers).end(fault.body ?? '');
      return undefined;
    }
    return pass(incoming, outgoing, { agent, targetPort, host, fault });
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: FaultProxy = {
    port: (server.address() as AddressInfo).port,
    seen,
    choose: () => undefined,
    countConnections: () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
      }),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      agent.destroy();
    },
  };
  return proxy;
}

function pass(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  {
    agent,
    targetPort,
    host,
    fault,
  }: {
    agent: Agent;
    targetPort: number;
    host: string | undefined;
    fault: Exclude<Fault, { kind: 'answer' }> | undefined;
  },
): void {
  const { method, url } = incoming;
  const headers = { ...incoming.headers, ...(host === undefined ? {} : { host }) };
  const onward = request({
    host: '127.0.0.1',
    port: targetPort,
    agent,
    method,
    path: url,
    headers,
  });
  const breakOff = () => {
    outgoing.destroy();
    onward.destroy();
  };
  onward.on('error', breakOff);
  outgoing.on('close', () => onward.destroy());
  incoming.pipe(onward);
  onward.on('response', (answer) => {
    answer.on('error', breakOff);
    if (fault?.kind === 'lose-answer') {
      answer.resume().on('end', breakOff);
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    if (fault?.kind !== 'cut' && fault?.kind !== 'stall') {
      answer.pipe(outgoing);
      return;
    }
    let left = fault.afterBytes;
    answer.on('data', (chunk: Buffer) => {
      const part = chunk.subarray(0, left);
      left -= part.length;
      if (part.length > 0)
        outgoing.write(part, () => left === 0 && fault.kind === 'cut' && breakOff());
      else if (fault.kind === 'cut') breakOff();
    });
  });
}
