/** What a store or a row says of an object. */
interface Facts {
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
}

/** What the row that names an object says of it; of uploaded posters nothing is known. */
export interface ObjectRow {
  readonly sizeBytes?: number;
  /** Hex. */
  readonly sha256?: string;
}

/**
 * `good`: the copy stays. `doubtful`: it is of the right size and older than the source; its SHA-256 decides. `needed`: there is
 * none, or another one than the row says. `source-unsound`: what the store has is not what the row says, and is not to be copied.
 */
export type CopyVerdict = 'good' | 'doubtful' | 'needed' | 'source-unsound';

/**
 * Whether an object is to be copied to a backup that may have it. Objects never change under their key, so a copy stays whatever
 * became of its source; only the row can say that it is another one. A name is given out again after a database was restored, and
 * a source is younger than its copy after it was moved to another store, too.
 * @param row  undefined where none names the object
 */
export function judgeCopy({
  source,
  copy,
  row,
}: {
  readonly source: Facts;
  readonly copy: Facts | undefined;
  readonly row: ObjectRow | undefined;
}): CopyVerdict {
  const sizeBytes = row?.sizeBytes;
  if (sizeBytes !== undefined && source.sizeBytes !== sizeBytes) return 'source-unsound';
  if (copy === undefined) return 'needed';
  if (sizeBytes === undefined) return 'good';
  if (copy.sizeBytes !== sizeBytes) return 'needed';
  return copy.modifiedAt < source.modifiedAt ? 'doubtful' : 'good';
}
