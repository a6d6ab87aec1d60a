import { describe, expect, it } from '@jest/globals';
import { findOddPieces } from '../../../src/activities/odd-pieces.ts';
import type { FinishedPiece } from '../../../src/db/pieces.ts';

function piece(id: number, parameterSets: string): FinishedPiece {
  const name = `chunk/${id}/240p`;
  return {
    ...{ id, name, kind: 'chunk', objectKey: `videos/work/1/${id}.mp4`, sizeBytes: 1, sha256: '' },
    facts: { frames: 50, parameterSets },
  };
}

const oddOf = (...pieces: readonly FinishedPiece[]) => findOddPieces(pieces).map(({ id }) => id);

describe('findOddPieces', () => {
  it('finds none where all are alike', () => {
    expect(oddOf(piece(1, 'a'), piece(2, 'a'))).toEqual([]);
    expect(oddOf()).toEqual([]);
  });

  it('goes by the piece that was made last, be it the first of the video or outnumbered', () => {
    expect(oddOf(piece(9, 'new'), piece(2, 'old'), piece(3, 'old'))).toEqual([2, 3]);
    expect(oddOf(piece(1, 'old'), piece(2, 'new'))).toEqual([1]);
  });
});
