import { totalmem } from 'node:os';

/**
 * Bytes of memory that this process and its children may use: the machine's, or less where a control group bounds it.
 * @param bound  as Node tells it: 0 where none is known, absurdly high where there is none
 */
export function usableMemoryBytes(bound = process.constrainedMemory(), total = totalmem()): number {
  return bound > 0 ? Math.min(bound, total) : total;
}
