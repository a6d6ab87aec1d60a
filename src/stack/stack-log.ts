/** Takes one line of one part; the parts share one output. */
export type StackLog = (part: string, line: string) => void;

const PREFIX_WIDTH = 8;

/**
 * One output for all parts: `api      │ line` for people; for machines JSON lines pass as they are and the rest is
 * wrapped, so that every line is JSON.
 */
export function createStackLog(
  format: 'pretty' | 'json',
  write: (text: string) => void,
  now: () => Date = () => new Date(),
): StackLog {
  if (format === 'pretty') {
    return (part, line) => write(`${part.padEnd(PREFIX_WIDTH)} │ ${line}\n`);
  }
  return (part, line) => {
    const json = line.startsWith('{')
      ? line
      : JSON.stringify({ level: 'info', time: now().toISOString(), part, msg: line });
    write(`${json}\n`);
  };
}
