/** Shows how far something is: a bar that grows in a terminal, a plain line now and then elsewhere. */
export interface Meter {
  /** @param fraction 0 to 1 */
  show(fraction: number, words?: string): void;
  /** Leaves the last state standing. */
  end(): void;
}

export interface MeterOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const BAR_WIDTH = 24;
/** Without a terminal: a line per this much. */
const STEP_PERCENT = 20;

export function createMeter(label: string, out: MeterOutput): Meter {
  return out.isTTY === true ? createBar(label, out) : createLines(label, out);
}

function createBar(label: string, out: MeterOutput): Meter {
  let isShown = false;
  return {
    show(fraction, words = '') {
      const full = Math.round(fraction * BAR_WIDTH);
      const bar = '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full);
      const line = `${label.padEnd(12)}${bar} ${percentOf(fraction)} ${words}`;
      out.write(`\r${line.slice(0, (out.columns || 80) - 1)}\x1b[K`);
      isShown = true;
    },
    end() {
      if (isShown) out.write('\n');
    },
  };
}

function createLines(label: string, out: MeterOutput): Meter {
  let said = '';
  return {
    show(fraction, words = '') {
      const step = Math.floor((fraction * 100) / STEP_PERCENT);
      if (said === `${step} ${words}`) return;
      said = `${step} ${words}`;
      out.write(`${label.padEnd(12)}${percentOf(fraction)} ${words}`.trimEnd() + '\n');
    },
    end: () => undefined,
  };
}

function percentOf(fraction: number): string {
  return `${String(Math.floor(fraction * 100)).padStart(3)} %`;
}
