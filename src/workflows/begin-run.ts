import {
  CancellationScope,
  isCancellation,
  proxyActivities,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { Claim, OrchestrationActivities } from '../activities/contracts.ts';
import type { ErrorCode } from '../domain/errors.ts';
import {
  type Origin,
  ORIGINS,
  parseProcessVideoInput,
  type ProcessVideoInput,
} from '../domain/process-video-input.ts';
import { databasePolicy } from './activity-policies.ts';
import { codeOf, isOneOf, NOT_OURS, orCancellation, toRunFailure } from './failures.ts';
import { ORIGIN_MEMO, SEARCH_ATTRIBUTES } from './messages.ts';

const database = proxyActivities<OrchestrationActivities>(databasePolicy);

/** A cancel that comes before the claim is done must not leave a video behind that waits to be started again. */
export async function claimOrCancel(input: ProcessVideoInput): Promise<Claim> {
  const origin = readOrigin();
  try {
    return await database.claimVideo({ ...input, ...(origin !== undefined && { origin }) });
  } catch (fault) {
    const error = isOneOf(fault, ...NOT_OURS) ? fault : orCancellation(fault);
    if (isCancellation(error)) {
      await CancellationScope.nonCancellable(() =>
        database.markCancelled({ videoId: input.videoId }),
      );
    } else {
      tellFailure(codeOf(error));
    }
    throw error;
  }
}

/** Undefined where a person has started the run, by whatever way. */
function readOrigin(): Origin | undefined {
  const told = workflowInfo().memo?.[ORIGIN_MEMO];
  return ORIGINS.find((origin) => origin === told);
}

/** So that operators find every failed run by its code, also one that never got its video. */
function tellFailure(code: ErrorCode | undefined): void {
  upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.failure, value: code ?? 'internal-error' }]);
}

/** What the run was started with. */
export function readInput(rawInput: unknown): ProcessVideoInput {
  try {
    return parseProcessVideoInput(rawInput);
  } catch (error) {
    tellFailure('invalid-workflow-input');
    throw toRunFailure(error);
  }
}
