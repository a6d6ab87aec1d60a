import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** One part of a form: a field, or a file where it has a name. */
export interface FormPart {
  readonly name: string;
  readonly content: string | Buffer;
  readonly fileName?: string;
  readonly type?: string;
}

export const BOUNDARY = 'form-boundary-7f3a';

/** A form as bytes, so that a test can break it anywhere. */
export function encodeForm(parts: readonly FormPart[]): Buffer {
  const encoded = parts.flatMap(
    ({ name, content, fileName, type = 'application/octet-stream' }) => [
      Buffer.from(
        `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"` +
          (fileName === undefined
            ? '\r\n\r\n'
            : `; filename="${fileName}"\r\nContent-Type: ${type}\r\n\r\n`),
      ),
      Buffer.from(content),
      Buffer.from('\r\n'),
    ],
  );
  return Buffer.concat([...encoded, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

const MOST_TEXT = 1_000_000;

/** A connection that speaks HTTP/1.1 by hand: it can stop, stall and leave where a proper client cannot. */
export interface RawClient {
  readonly socket: Socket;
  /** What arrived so far, of a long answer its beginning. */
  text(): string;
  /** Waits until what arrived matches. */
  until(pattern: RegExp): Promise<RegExpMatchArray>;
}

export async function openRaw(port: number): Promise<RawClient> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  let text = '';
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const check of waiting) check();
  };
  socket.setEncoding('latin1');
  socket.on('data', (data) => {
    if (text.length > MOST_TEXT) return;
    text += String(data);
    wake();
  });
  socket.on('error', () => undefined);
  socket.on('close', wake);
  return {
    socket,
    text: () => text,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const check = () => {
          const match = pattern.exec(text);
          if (match === null && !socket.closed) return;
          waiting.delete(check);
          if (match === null)
            reject(new Error(`the connection closed before ${pattern}: ${text.slice(0, 500)}`));
          else resolve(match);
        };
        waiting.add(check);
        check();
      }),
  };
}

/** The head of a request as it goes over the wire. */
export function requestHead(
  line: string,
  headers: Readonly<Record<string, string | number>>,
): string {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${line} HTTP/1.1\r\nHost: 127.0.0.1\r\n${fields.join('')}\r\n`;
}

export const FORM_TYPE = `multipart/form-data; boundary=${BOUNDARY}`;
