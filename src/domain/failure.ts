import type { ErrorCode, JsonValue } from './errors.ts';

/** Why a run failed, as rows and answers tell it. `detail` is for the uploader, `diagnostics` for the operator. */
export interface Failure {
  readonly code: ErrorCode;
  readonly title: string;
  readonly detail: string;
  readonly step: string;
  readonly attempt: number;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly diagnostics?: { readonly [key: string]: JsonValue };
}
