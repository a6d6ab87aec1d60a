import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { VideoView } from '../../usecases/present-video.ts';
import { CommandProblem, Refusal } from './problem.ts';

/** A running Steadyreel, as a program uses it. */
export interface Server {
  /** @throws CommandProblem where nobody answers; Refusal where the key is not accepted */
  check(): Promise<void>;
  /** Sends the file as it is read; memory stays flat. @throws Refusal with the server's own sentence and code */
  upload(
    file: string,
    onProgress: (sentBytes: number, totalBytes: number) => void,
  ): Promise<VideoView>;
  getVideo(id: number): Promise<VideoView>;
  /** Ends its run and removes all its files. */
  deleteVideo(id: number): Promise<void>;
  /** Any route that answers JSON. @throws Refusal */
  ask<T>(method: string, path: string, body?: object): Promise<T>;
  /** @returns an address that logs in once and leads to `next` */
  createLoginLink(next: string): Promise<string>;
}

const ANSWER_TIMEOUT_MS = 10_000;

export function createServerClient(options: {
  url: string;
  apiKey: string;
  signal: AbortSignal;
}): Server {
  const { url, apiKey, signal } = options;
  const authorization = { Authorization: `Bearer ${apiKey}` };

  async function ask<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(url + path, {
      method,
      headers: { ...authorization, ...(body && { 'Content-Type': 'application/json' }) },
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]),
      ...(body && { body: JSON.stringify(body) }),
    });
    return readAnswer<T>(response.status, await response.text());
  }

  return {
    ask,

    async check() {
      try {
        await ask('GET', '/auth/me');
      } catch (error) {
        if (error instanceof CommandProblem || signal.aborted) throw error;
        throw new CommandProblem(
          `Nothing answers at ${url}: run \`npm start\` in another terminal first, and set PORT here as there.`,
          { cause: error },
        );
      }
    },

    async upload(file, onProgress) {
      const form = await openForm(file);
      const sending = request(`${url}/videos/upload/`, {
        method: 'POST',
        signal,
        headers: { ...authorization, ...form.headers },
      });
      const answered = firstAnswer(sending);
      // Whoever refuses an upload answers before its end; the answer says more than the broken pipe.
      pipeline(Readable.from(form.read(onProgress)), sending).catch(() => undefined);
      const response = await answered;
      return readAnswer<VideoView>(response.statusCode ?? 0, await text(response));
    },

    getVideo: (id) => ask('GET', `/videos/${id}`),

    deleteVideo: (id) => ask('DELETE', `/videos/${id}`),

    async createLoginLink(next) {
      const link = await ask<{ url: string }>('POST', '/auth/login-links', { next });
      return link.url;
    },
  };
}

/** A form with one file, of a length that is known beforehand. */
async function openForm(file: string) {
  const { size } = await stat(file);
  const boundary = `steadyreel-${randomBytes(16).toString('hex')}`;
  const name = basename(file)
    .replaceAll('"', '%22')
    .replaceAll(/[\r\n]/g, ' ');
  const head = Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="video"; filename="${name}"\r\n` +
      `Content-Type: application/octet-stream\r\n\r\n`,
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  return {
    headers: {
      'Content-Type': `multipart/form-data; boundary=${boundary}`,
      'Content-Length': head.length + size + tail.length,
    },
    async *read(
      onProgress: (sentBytes: number, totalBytes: number) => void,
    ): AsyncIterable<Buffer> {
      yield head;
      let sent = 0;
      // A file that grows meanwhile is sent up to the length that was announced.
      for await (const chunk of size === 0 ? [] : createReadStream(file, { end: size - 1 })) {
        yield chunk as Buffer;
        sent += (chunk as Buffer).length;
        onProgress(sent, size);
      }
      yield tail;
    },
  };
}

function firstAnswer(sending: ReturnType<typeof request>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    sending.once('response', resolve);
    sending.on('error', (error) =>
      reject(new CommandProblem(`The upload broke off: ${error.message}.`, { cause: error })),
    );
  });
}

function readAnswer<T>(status: number, body: string): T {
  const answer = parse(body);
  if (status >= 200 && status < 300) return answer as T;
  throw new Refusal(status, answer as object);
}

/** What is no JSON, such as a proxy's page, says nothing to us. */
function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return {};
  }
}
