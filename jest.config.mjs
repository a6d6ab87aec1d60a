/** One transform for all; the projects differ in what they need to run. */
const base = {
  extensionsToTreatAsEsm: ['.ts'],
  testEnvironment: 'node',
  transform: {
    '\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2024', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
};

/** Suites that need PostgreSQL, Temporal and ffmpeg: one server of each for the whole run. */
const served = {
  ...base,
  globalSetup: '<rootDir>/test/support/start-services.ts',
  globalTeardown: '<rootDir>/test/support/stop-services.ts',
};

export default {
  // A guard against hanging, not a measure: a busy machine is slow.
  testTimeout: 300_000,
  // Many suites wait for servers, kills and clocks; three at a time keep two cores busy.
  maxWorkers: 3,
  // Of one suite, where it says so: each of chaos is a whole product.
  maxConcurrency: 3,
  projects: [
    { ...base, displayName: 'unit', testMatch: ['<rootDir>/test/unit/**/*.test.ts'] },
    // Needs the S3 server, which only `npm test` fetches.
    { ...base, displayName: 'contract', testMatch: ['<rootDir>/test/contract/**/*.test.ts'] },
    {
      ...served,
      displayName: 'served',
      testMatch: ['<rootDir>/test/{workflow,integration,e2e,regression}/**/*.test.ts'],
    },
  ],
};
