/**
 * How long everything may take to stop, in ms: what a process gives its own work, and, a second more, what the supervisor gives
 * the process before it kills it.
 *
 *   API and worker together, 6 s   then Temporal, 3 s   then PostgreSQL, 4 s   13 s in all
 *
 * `WORKER_DRAIN_SECONDS` comes on top, for the worker. `stop_grace_period` in docker-compose.yml must be longer.
 */
export const STOP_MS = {
  /** Requests under way; then their connections are cut. */
  requests: 5_000,
  api: 6_000,
  /** After the drain, for tools to die and their activities to report. */
  activities: 5_000,
  worker: 6_000,
  temporal: 3_000,
  postgres: 4_000,
} as const;
