import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  ASK_AGAIN_MS,
  createEncoderAdmission,
  type EncoderAdmission,
  type EncoderRequest,
  type EncoderRoom,
} from '../../../src/activities/encoder-admission.ts';
import type { EncodeThreads } from '../../../src/domain/encoding-memory.ts';

const ONE: EncodeThreads = { encode: 1, decode: 1 };
const TWO: EncodeThreads = { encode: 2, decode: 2 };

describe('createEncoderAdmission', () => {
  let now: number;
  let admission: EncoderAdmission;

  beforeEach(() => {
    now = 1000;
    admission = createEncoderAdmission({ budgetMb: 1000, cores: 2, now: () => now });
  });

  /** Takes `mb` whatever the threads are, one thread being its share of the cores. */
  const piece = (runId: number, mb: number, changes: Partial<EncoderRequest> = {}) =>
    admission.admit({
      runId,
      sharedThreads: 1,
      hasSiblings: false,
      estimateMb: () => mb,
      ...changes,
    });

  /** Asks as a workflow does: again after a pause, for as long as it is turned away. */
  const waitFor = (runId: number, mb: number, forMs: number): EncoderRoom | undefined => {
    for (const until = now + forMs; now < until; now += ASK_AGAIN_MS) {
      const room = tryPiece(runId, mb);
      if (room !== undefined) return room;
    }
    return undefined;
  };

  const tryPiece = (runId: number, mb: number): EncoderRoom | undefined => {
    try {
      return piece(runId, mb);
    } catch {
      return undefined;
    }
  };

  it('lets pieces run together while their estimates fit', () => {
    piece(1, 600);
    piece(2, 400);
    expect(() => piece(3, 1)).toThrow();
  });

  it('turns away what does not fit and says what is needed and what is free', () => {
    piece(1, 600);
    expect(() => piece(2, 500)).toThrow(
      expect.objectContaining({
        code: 'waiting-for-memory',
        message: 'the encoder needs 500 MB, free are 400 of 1000 MB',
        details: expect.objectContaining({ neededMb: 500, freeMb: 400, budgetMb: 1000 }),
      }),
    );
  });

  it('has the room back once it is released, and only once', () => {
    const first = piece(1, 600);
    const second = piece(2, 400);
    first.release();
    first.release();
    expect(tryPiece(3, 700)).toBeUndefined();
    expect(tryPiece(3, 600)).toBeDefined();
    second.release();
  });

  it('runs an oversized piece alone, with one thread', () => {
    const small = piece(1, 10);
    expect(tryPiece(2, 5000)).toBeUndefined();
    small.release();
    expect(piece(2, 5000)).toMatchObject({ threads: ONE, memoryMb: 5000 });
    expect(tryPiece(1, 10)).toBeUndefined();
  });

  it('knows which runs have an encoder', () => {
    const room = piece(1, 10);
    expect([admission.isWorkingFor(1), admission.isWorkingFor(2)]).toEqual([true, false]);
    room.release();
    expect(admission.isWorkingFor(1)).toBe(false);
  });

  describe('threads', () => {
    const perThread = ({ encode, decode }: EncodeThreads): number =>
      300 + 80 * encode + 20 * decode;

    it('gives a lone piece all cores, where they fit', () => {
      expect(piece(1, 0, { estimateMb: perThread })).toMatchObject({ threads: TWO, memoryMb: 500 });
    });

    it.each([
      [1100, { encode: 8, decode: 8 }],
      [1099, { encode: 4, decode: 4 }],
      [500, TWO],
      [450, { encode: 1, decode: 2 }],
      [410, ONE],
      [300, ONE],
    ])('gives fewer where memory is short: of %d MB', (budgetMb, threads) => {
      const short = createEncoderAdmission({ budgetMb, cores: 8 });
      const request = { runId: 1, sharedThreads: 4, hasSiblings: false, estimateMb: perThread };
      expect(short.admit(request).threads).toEqual(threads);
    });

    it('gives all cores to one of two pieces that start at the same moment', () => {
      expect([piece(1, 400).threads, piece(2, 400).threads]).toEqual([TWO, ONE]);
    });

    it('shares from the start where a sibling will run beside it', () => {
      const first = piece(1, 400, { hasSiblings: true });
      const second = piece(1, 400, { hasSiblings: true });
      expect([first.threads, second.threads]).toEqual([ONE, ONE]);
      first.release();
      second.release();
      expect(piece(1, 400).threads).toEqual(TWO);
    });

    it('does not share with a sibling that has no room beside it', () => {
      expect(piece(1, 600, { hasSiblings: true }).threads).toEqual(TWO);
    });

    it('gives one to a piece whose encoder was killed', () => {
      expect(piece(1, 400, { lowMemory: true }).threads).toEqual(ONE);
    });
  });

  describe('turns', () => {
    it('lets smaller pieces overtake for a minute, not for ever', () => {
      piece(1, 500);
      expect(tryPiece(2, 600)).toBeUndefined();
      piece(3, 100).release();
      expect(waitFor(2, 600, 60_000)).toBeUndefined();
      expect(tryPiece(2, 600)).toBeUndefined();
      expect(() => piece(3, 100)).toThrow('kept for a video that has waited longer');
    });

    it('lets those start that leave room enough for the first in the line', () => {
      const first = piece(1, 500);
      expect(waitFor(2, 600, 70_000)).toBeUndefined();
      first.release();
      expect(tryPiece(3, 500)).toBeUndefined();
      expect(tryPiece(3, 400)).toBeDefined();
      expect(tryPiece(2, 600)).toBeDefined();
    });

    it('comes to an oversized piece although small ones never stop coming', () => {
      let small = piece(1, 400);
      let oversized: EncoderRoom | undefined;
      for (let tries = 0; oversized === undefined && tries < 30; tries += 1) {
        const next = tryPiece(3 + (tries % 2), 400);
        small.release();
        if (next !== undefined) small = next;
        oversized = tryPiece(2, 5000);
        now += ASK_AGAIN_MS;
      }
      expect(oversized).toMatchObject({ threads: ONE });
    });

    it('goes to who has waited longest, and pieces of one run have one place', () => {
      const first = piece(1, 1000);
      expect(tryPiece(2, 600)).toBeUndefined();
      now += 1;
      expect(tryPiece(1, 600)).toBeUndefined();
      for (let tries = 0; tries < 7; tries += 1) {
        now += ASK_AGAIN_MS;
        expect([tryPiece(1, 600), tryPiece(2, 600)]).toEqual([undefined, undefined]);
      }
      first.release();
      expect(tryPiece(1, 600)).toBeUndefined();
      expect(tryPiece(2, 600)).toBeDefined();
    });

    it('keeps nothing free for one that asks no more', () => {
      const first = piece(1, 500);
      expect(waitFor(2, 600, 70_000)).toBeUndefined();
      first.release();
      now += 3 * ASK_AGAIN_MS;
      expect(tryPiece(3, 900)).toBeDefined();
    });
  });
});
