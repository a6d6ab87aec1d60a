import { Client, Connection } from '@temporalio/client';

export interface TemporalOptions {
  readonly address: string;
  readonly namespace: string;
}

/** A client whose connection is made when it is first used, so that a process starts while the server is away. */
export function openTemporalClient({ address, namespace }: TemporalOptions): Client {
  return new Client({ connection: Connection.lazy({ address, connectTimeout: '3s' }), namespace });
}
