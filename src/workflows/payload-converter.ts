import { defaultPayloadConverter, type PayloadConverter } from '@temporalio/common';

/**
 * Reads what workflows are given: in the bundle, in the place of the SDK's own.
 *
 * An input in an encoding that cannot be read, or that is no JSON after all, comes in as undefined, so that the run fails and says
 * so; the SDK would fail the workflow's task again and again. The Web UI lets people choose an encoding.
 */
export const payloadConverter: PayloadConverter = {
  toPayload: (value) => defaultPayloadConverter.toPayload(value),
  fromPayload<T>(payload: Parameters<PayloadConverter['fromPayload']>[0]): T {
    try {
      return defaultPayloadConverter.fromPayload<T>(payload);
    } catch {
      return undefined as T;
    }
  },
};
