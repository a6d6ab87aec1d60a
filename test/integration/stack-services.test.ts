import { connect } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { testDatabaseUrl, testTemporalAddress } from '../support/services.ts';

describe('services of the test run', () => {
  it('PostgreSQL answers, counts in UTC and orders text alike on every machine', async () => {
    const client = new pg.Client(testDatabaseUrl());
    await client.connect();
    try {
      const { rows } = await client.query(
        "SELECT current_setting('timezone') AS zone, upper('ä') AS upper, 'Z' < 'a' AS ordered",
      );
      expect(rows).toEqual([{ zone: 'UTC', upper: 'Ä', ordered: true }]);
    } finally {
      await client.end();
    }
  });

  it('the Temporal server takes connections', async () => {
    const [host, port] = testTemporalAddress().split(':') as [string, string];
    await new Promise<void>((resolve, reject) => {
      const socket = connect(Number(port), host, () => {
        socket.destroy();
        resolve();
      }).once('error', reject);
    });
  });
});
