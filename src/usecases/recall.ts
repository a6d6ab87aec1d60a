/** What was found a moment ago, for those who ask the same again and again, as players do for range after range. */
export interface Recall {
  /**
   * What `find` found under the same key a moment ago, else what it finds now. Those who ask at the same time ask once. What is
   * refused or fails is never kept.
   */
  find<T>(key: string, find: () => Promise<T>): Promise<T>;
  /** After this everything is looked up again, also what is being looked up now. */
  forget(): void;
}

interface Finding {
  readonly found: Promise<unknown>;
  readonly atMs: number;
}

const MOST = 2_000;

/** @param keepMs how long something is believed without a look; 0: not at all */
export function createRecall({
  keepMs,
  now = () => performance.now(),
}: {
  readonly keepMs: number;
  readonly now?: () => number;
}): Recall {
  const findings = new Map<string, Finding>();
  return {
    find<T>(key: string, find: () => Promise<T>): Promise<T> {
      const known = findings.get(key);
      if (known !== undefined && now() - known.atMs < keepMs) return known.found as Promise<T>;
      const finding = { found: find(), atMs: now() };
      findings.delete(key);
      findings.set(key, finding);
      finding.found.catch(() => {
        if (findings.get(key) === finding) findings.delete(key);
      });
      const [oldest] = findings.keys();
      if (findings.size > MOST && oldest !== undefined) findings.delete(oldest);
      return finding.found;
    },
    forget: () => findings.clear(),
  };
}
