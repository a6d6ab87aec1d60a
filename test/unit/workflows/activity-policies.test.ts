import { describe, expect, it } from '@jest/globals';
import { TRANSFER_MARGIN_SECONDS } from '../../../src/domain/tool-time.ts';
import * as policies from '../../../src/workflows/activity-policies.ts';
import { TASK_QUEUES } from '../../../src/workflows/messages.ts';

const INPUT: policies.PolicyInput = {
  timeoutSeconds: 600,
  ownerId: 7,
  priority: 'normal',
  isReprocess: false,
};

const ALL: Record<string, policies.ActivityPolicy> = {
  database: policies.databasePolicy,
  cleanUp: policies.cleanUpPolicy,
  readBack: policies.readBackPolicy,
  reconcile: policies.reconcilePolicy,
  removal: policies.removalPolicy,
  move: policies.movePolicy,
  intake: policies.intakePolicy(INPUT),
  piece: policies.piecePolicy(INPUT),
  undivided: policies.undividedPolicy(INPUT, 3600),
  pictures: policies.picturesPolicy(INPUT),
  wholeFile: policies.wholeFilePolicy(INPUT, 3600),
  finishing: policies.finishingPolicy(INPUT, 3600),
};

/** What these leave, a Schedule finds again. */
const LEFT_TO_OTHERS: Record<string, number> = { cleanUp: 10, readBack: 10, reconcile: 5 };

describe('activity policies', () => {
  it.each(Object.entries(ALL))(
    'rule 1: %s waits until a cancelled activity has ended',
    (_name, policy) => {
      expect(policy.cancellationType).toBe('WAIT_CANCELLATION_COMPLETED');
    },
  );

  it.each(Object.entries(ALL))(
    'rule 12: %s does not count waiting or lost workers as failing',
    (name, policy) => {
      expect(policy.scheduleToCloseTimeout).toBeUndefined();
      expect(policy.scheduleToStartTimeout).toBeUndefined();
      expect(policy.retry?.maximumAttempts).toBe(LEFT_TO_OTHERS[name]);
    },
  );

  it('rule 13: leaves room for transfers on top of the budget of tool time', () => {
    expect(ALL['piece']?.startToCloseTimeout).toBe((600 + TRANSFER_MARGIN_SECONDS) * 1000);
    expect(ALL['undivided']?.startToCloseTimeout).toBe((6 * 600 + TRANSFER_MARGIN_SECONDS) * 1000);
    expect(ALL['wholeFile']?.startToCloseTimeout).toBe((6 * 600 + TRANSFER_MARGIN_SECONDS) * 1000);
  });

  it('rule 19: keeps probes off the capped queue and lets finishing steps go before chunks', () => {
    expect(ALL['intake']?.taskQueue).toBe(TASK_QUEUES.intake);
    const key = (name: string): number => ALL[name]?.priority?.priorityKey ?? 0;
    expect(key('finishing')).toBeLessThan(key('wholeFile'));
    expect(key('wholeFile')).toBeLessThan(key('piece'));
    expect(policies.finishingPolicy({ ...INPUT, priority: 'bulk' }, 10).priority?.priorityKey).toBe(
      5,
    );
    expect(
      policies.finishingPolicy({ ...INPUT, isReprocess: true }, 10).priority?.priorityKey,
    ).toBe(2);
    expect(ALL['piece']?.priority?.fairnessKey).toBe('owner-7');
  });

  it('heartbeats wherever an activity can take long', () => {
    for (const name of ['cleanUp', 'intake', 'piece', 'pictures', 'wholeFile', 'finishing']) {
      expect(ALL[name]?.heartbeatTimeout).toBe('20 seconds');
    }
  });
});
