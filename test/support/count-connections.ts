import { createServer } from 'node:net';

/** Listens on a port of this host while `work` runs. @returns how often it was reached */
export async function countConnections(work: (port: number) => Promise<void>): Promise<number> {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  try {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port was given');
    await work(address.port);
    return connections;
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}
