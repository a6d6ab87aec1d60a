import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { locateBucket, requestPath } from './s3-address.ts';
import type { S3Settings } from './s3-clients.ts';
import { HTML_ANSWER } from './s3-faults.ts';
import { ALGORITHM, credentialOf, signingTime, signRequest } from './s3-signature.ts';

/**
 * GetObject without the SDK, whose request, answer and stream cost more than everything else that is done for a range: viewers ask
 * for tens of thousands of them. What fails looks like an error of the SDK, and is read by `s3-faults.ts` like one.
 */
export interface S3Getter {
  /**
   * Resolves with the head of the answer: 206 where a range was asked for, else 200. The body is the caller's to read or to destroy.
   * @param path as S3 knows the object
   */
  get(path: string, options: GetOptions): Promise<IncomingMessage>;
  destroy(): void;
}

export interface GetOptions {
  /** As in the header. */
  readonly range: string | undefined;
  readonly ifMatch: string | undefined;
  /** Ends the request, and the body too. */
  readonly signal: AbortSignal;
}

/** More viewers than the API lets in (256), so that a socket is never what they wait for. */
const MOST_SOCKETS = 512;
/** A connection that nobody uses is let go of after this. */
const IDLE_MS = 10_000;
const MOST_ERROR_BYTES = 64 * 1024;
const NO_BODY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

export function createS3Getter(settings: S3Settings): S3Getter {
  const address = locateBucket(settings);
  const { protocol, hostname, port } = new URL(address.origin);
  const isPlain = protocol === 'http:';
  const agent = new (isPlain ? HttpAgent : HttpsAgent)({
    keepAlive: true,
    maxSockets: MOST_SOCKETS,
    timeout: IDLE_MS,
  });
  const request = isPlain ? requestHttp : requestHttps;
  const sign = rememberSecond((target, time) =>
    signedHeaders(settings, { host: address.host, target, time }),
  );
  /** Of the server's clock against ours, once it has complained. */
  let offsetMs = 0;

  const send = (path: string, { range, ifMatch, signal }: GetOptions): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const target = requestPath(address, path);
      const outgoing = request({
        agent,
        // Brackets are for URLs alone.
        hostname: hostname.replaceAll(/[[\]]/g, ''),
        port,
        path: target,
        headers: {
          ...sign(target, signingTime(new Date(Date.now() + offsetMs))),
          ...(range === undefined ? {} : { range }),
          ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
        },
      });
      const abort = () => outgoing.destroy(signal.reason as Error);
      signal.addEventListener('abort', abort);
      outgoing.once('close', () => signal.removeEventListener('abort', abort));
      outgoing.once('response', resolve);
      // Once there is a body, it tells of these.
      outgoing.on('error', reject);
      outgoing.end();
    });

  return {
    async get(path, options) {
      options.signal.throwIfAborted();
      const answer = await send(path, options);
      const { statusCode: status = 0, headers } = answer;
      const isPage = /^text\/html\b/i.test(headers['content-type'] ?? '');
      if (status === (options.range === undefined ? 200 : 206) && !isPage) return answer;
      const code = isPage
        ? HTML_ANSWER
        : status < 300
          ? 'RangeIgnored'
          : await readErrorCode(answer);
      answer.destroy();
      if (code === 'RequestTimeTooSkewed' && headers.date !== undefined)
        offsetMs = Date.parse(headers.date) - Date.now();
      throw Object.assign(new Error(`GET was answered ${status} ${code}`), {
        name: code,
        $metadata: { httpStatusCode: status },
        $response: { headers },
      });
    },
    destroy: () => agent.destroy(),
  };
}

/** A signature holds for all ranges of an object within one second, and many viewers of one object ask within it. */
function rememberSecond<T>(make: (target: string, time: string) => T): typeof make {
  const made = new Map<string, T>();
  let second = '';
  return (target, time) => {
    if (time !== second) made.clear();
    second = time;
    const value = made.get(target) ?? make(target, time);
    made.set(target, value);
    return value;
  };
}

function signedHeaders(
  settings: S3Settings,
  { host, target, time }: { host: string; target: string; time: string },
): Record<string, string> {
  const headers = { host, 'x-amz-content-sha256': NO_BODY_SHA256, 'x-amz-date': time };
  const names = Object.keys(headers).join(';');
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}`);
  const canonical = ['GET', target, '', ...lines, '', names, NO_BODY_SHA256].join('\n');
  const signature = signRequest(settings, canonical, time);
  const credential = credentialOf(settings, time);
  return {
    ...headers,
    authorization: `${ALGORITHM} Credential=${credential}, SignedHeaders=${names}, Signature=${signature}`,
  };
}

/** S3's own word for what is wrong; `Unknown` where there is none. */
async function readErrorCode(answer: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of answer) {
    text += String(chunk);
    if (text.length > MOST_ERROR_BYTES) break;
  }
  return /<Code>(\w+)<\/Code>/.exec(text)?.[1] ?? 'Unknown';
}
