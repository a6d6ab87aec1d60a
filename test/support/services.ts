/** The servers that `start-services.ts` brought up for this run of jest. */

/** Variables by which the addresses reach the test processes. Set one beforehand to use a server of your own. */
export const SERVICE_VARIABLES = {
  database: 'TEST_DATABASE_URL',
  temporal: 'TEST_TEMPORAL_ADDRESS',
} as const;

/** What globalTeardown has to end. */
export interface StartedService {
  stop(): Promise<void>;
}

declare global {
  var startedServices: StartedService[] | undefined;
}

/** PostgreSQL of this run; the role may make databases. Make one of your own, with a random name. */
export function testDatabaseUrl(): string {
  return read(SERVICE_VARIABLES.database);
}

/** Temporal server of this run, `host:port`, namespace `default`. Use task queues with random names. */
export function testTemporalAddress(): string {
  return read(SERVICE_VARIABLES.temporal);
}

function read(variable: string): string {
  const value = process.env[variable];
  if (value) return value;
  throw new Error(`${variable} is not set: this suite runs under jest's project "served".`);
}
