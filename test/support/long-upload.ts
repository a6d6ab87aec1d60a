import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { BOUNDARY, encodeForm, FORM_TYPE } from './raw-http.ts';

/** A file that nobody has to make first: noise of any length, which begins as an MP4 does. */
export interface LongUpload {
  readonly port: number;
  /** API key. */
  readonly key: string;
  /** A multiple of 1 MiB. */
  readonly sizeBytes: number;
  /** Called, and waited for, with the bytes sent so far. */
  readonly onSent?: (sent: number) => unknown;
}

export interface LongUploadAnswer {
  readonly status: number | undefined;
  readonly body: Record<string, unknown>;
  /** Of what was sent, hex. */
  readonly sha256: string;
}

/** Sends it block by block, as fast as it is taken, and holds one block. */
export async function sendLongUpload({
  port,
  key,
  sizeBytes,
  onSent = () => undefined,
}: LongUpload): Promise<LongUploadAnswer> {
  const empty = encodeForm([{ name: 'video', content: '', fileName: 'long.mp4' }]);
  const tail = Buffer.from(`\r\n--${BOUNDARY}--\r\n`);
  const post = request({
    port,
    host: '127.0.0.1',
    method: 'POST',
    path: '/videos/upload/',
    headers: {
      Authorization: `Bearer ${key}`,
      'Content-Type': FORM_TYPE,
      'Content-Length': empty.length + sizeBytes,
    },
  });
  post.on('error', () => undefined);
  const answered = once(post, 'response');
  post.write(empty.subarray(0, empty.length - tail.length));
  const hash = createHash('sha256');
  const block = randomBytes(1024 ** 2);
  block.write('\0\0\0\x18ftypisom\0\0\0\0isommp42', 0, 'latin1');
  for (let sent = 0; sent < sizeBytes && !post.destroyed; sent += block.length) {
    hash.update(block);
    if (!post.write(block)) await Promise.race([once(post, 'drain'), answered]);
    await onSent(sent);
  }
  post.end(tail);
  const [response] = (await answered) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const body = JSON.parse(String(Buffer.concat(chunks))) as Record<string, unknown>;
  return { status: response.statusCode, body, sha256: hash.digest('hex') };
}
