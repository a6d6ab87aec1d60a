/**
 * The file that a run reads, fixed when it is claimed: the original, or the published `processed` version once the original is
 * gone. Its hash is part of the key of every piece that is made from it.
 */
export interface RunSource {
  readonly kind: 'original' | 'processed';
  readonly objectKey: string;
  readonly sizeBytes: number;
  /** Hex. */
  readonly sha256: string;
}

export function isSameSource(a: RunSource, b: RunSource): boolean {
  return a.objectKey === b.objectKey && a.sha256 === b.sha256;
}
