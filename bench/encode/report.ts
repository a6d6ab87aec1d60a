/** One line of the table. */
export interface Row {
  readonly measure: string;
  /** As shown. */
  readonly value: string;
  readonly must?: string;
  readonly aim?: string;
  /** `undefined`: for information. */
  readonly verdict?: Verdict | undefined;
  /** Each round, or where it comes from. */
  readonly note?: string;
}

export type Verdict = 'missed' | 'must' | 'aim';

/** A figure with bounds: the smaller the better, or the larger. */
export function judge(
  measure: string,
  value: number,
  bounds: {
    readonly better: 'smaller' | 'larger';
    readonly must: number;
    readonly aim?: number;
    readonly digits?: number;
    readonly note?: string;
  },
): Row {
  const { better, must, aim, digits = 2, note } = bounds;
  const sign = better === 'smaller' ? '≤' : '≥';
  const reaches = (bound: number): boolean =>
    better === 'smaller' ? value <= bound : value >= bound;
  const met = aim !== undefined && reaches(aim) ? 'aim' : 'must';
  return {
    measure,
    value: value.toFixed(digits),
    must: `${sign} ${must}`,
    ...(aim !== undefined && { aim: `${sign} ${aim}` }),
    // What is not a number reaches nothing.
    verdict: reaches(must) ? met : 'missed',
    ...(note !== undefined && { note }),
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** A Markdown table, which reads well in a terminal too. */
export function renderTable(rows: readonly Row[]): string {
  const words = { missed: 'MISSED', must: 'met', aim: 'aim met' } as const;
  const lines = [
    ['measure', 'value', 'must', 'aim', 'verdict', 'note'],
    ...rows.map((row) => [
      row.measure,
      row.value,
      row.must ?? '',
      row.aim ?? '',
      row.verdict === undefined ? '' : words[row.verdict],
      row.note ?? '',
    ]),
  ];
  const widths = (lines[0] ?? []).map((_cell, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  const render = (line: readonly string[]): string =>
    `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = lines;
  const rule = widths.map((width) => '-'.repeat(width));
  return [render(head), render(rule), ...body.map(render)].join('\n');
}

export function hasMissed(rows: readonly Row[]): boolean {
  return rows.some(({ verdict }) => verdict === 'missed');
}
