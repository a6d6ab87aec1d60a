import { Agent, get } from 'node:http';

/** Many viewers of one large file, each of whom reads range after range at random places. */
export interface Reading {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly sizeBytes: number;
  readonly rangeBytes: number;
  readonly viewers: number;
  readonly seconds: number;
}

/** @returns MiB/s of all of them together @throws where an answer is not the range that was asked for */
export async function measureReading(reading: Reading): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: reading.viewers });
  const deadline = performance.now() + reading.seconds * 1000;
  const startedAt = performance.now();
  let bytes = 0;
  const view = async (): Promise<void> => {
    while (performance.now() < deadline) bytes += await readRange(reading, agent);
  };
  try {
    await Promise.all(Array.from({ length: reading.viewers }, view));
    return bytes / 1024 ** 2 / ((performance.now() - startedAt) / 1000);
  } finally {
    agent.destroy();
  }
}

function readRange(
  { url, headers, sizeBytes, rangeBytes }: Reading,
  agent: Agent,
): Promise<number> {
  const start = Math.floor(Math.random() * (sizeBytes - rangeBytes));
  const Range = `bytes=${start}-${start + rangeBytes - 1}`;
  return new Promise((resolve, reject) => {
    const request = get(url, { agent, headers: { ...headers, Range } }, (response) => {
      let received = 0;
      response.on('data', (chunk: Buffer) => {
        received += chunk.length;
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 206 && received === rangeBytes) resolve(received);
        else reject(new Error(`${response.statusCode} with ${received} bytes from ${url}`));
      });
    });
    request.on('error', reject);
  });
}
