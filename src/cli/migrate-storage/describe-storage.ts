/** What `/admin/storage/migrate` answers, as far as it is shown. */
export interface StorageAnswer {
  readonly stores: readonly {
    readonly name: string;
    readonly place: string;
    readonly isMain: boolean;
  }[];
  readonly migration: MigrationAnswer | null;
}

export interface MigrationAnswer {
  readonly from: string;
  readonly to: string;
  readonly state: string;
  readonly waitingFor: string | null;
  readonly failure: { readonly code: string; readonly detail: string } | null;
  readonly waiting: Amount;
  readonly copying: Amount;
  readonly switched: Amount;
  readonly finished: Amount;
  readonly failed: Amount;
  readonly oldCopiesUntil: string | null;
  readonly failures: readonly {
    readonly objectKey: string;
    readonly code: string;
    readonly detail: string;
  }[];
}

interface Amount {
  readonly objects: number;
  readonly bytes: number;
}

/** For people, one line after the other. */
export function describeStorage({ stores, migration }: StorageAnswer): readonly string[] {
  const places = stores.map(
    ({ name, place, isMain }) => `${name.padEnd(12)}${place}${isMain ? '  (new objects)' : ''}`,
  );
  if (migration === null) return [...places, 'Nothing was ever moved.'];
  const { from, to, state, switched, failed, failure, failures, oldCopiesUntil } = migration;
  return [
    ...places,
    `${from} → ${to}: ${state}, ${describeProgress(migration).words}`,
    ...(failure === null ? [] : [`${failure.code}: ${failure.detail}`]),
    ...(switched.objects === 0
      ? []
      : [
          `${switched.objects} old copies (${sizeText(switched.bytes)}) stay until ${oldCopiesUntil ?? 'their grace is over'}.`,
        ]),
    ...(failed.objects === 0 ? [] : [`${failed.objects} failed and are where they were:`]),
    ...failures.map(({ objectKey, code, detail }) => `  ${objectKey}  ${code}: ${detail}`),
  ];
}

/** @returns `fraction`: 0 to 1, by objects */
export function describeProgress(migration: MigrationAnswer): { fraction: number; words: string } {
  const { waiting, copying, switched, finished, failed, waitingFor, state } = migration;
  const done = add(switched, finished);
  const all = add(done, waiting, copying, failed);
  const amounts = `${done.objects} of ${all.objects} objects moved, ${sizeText(done.bytes)} of ${sizeText(all.bytes)}`;
  return {
    fraction: all.objects === 0 ? 0 : done.objects / all.objects,
    words:
      waitingFor === null
        ? `${state === 'paused' ? 'paused, ' : ''}${amounts}`
        : `waits: ${waitingFor}`,
  };
}

function add(...amounts: readonly Amount[]): Amount {
  return {
    objects: amounts.reduce((sum, { objects }) => sum + objects, 0),
    bytes: amounts.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

function sizeText(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
