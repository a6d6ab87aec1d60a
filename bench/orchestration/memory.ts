import { readFileSync } from 'node:fs';

/** Resident now. */
export function rssMb(pid: number): number {
  return read(pid, 'VmRSS');
}

/** The most that was ever resident. */
export function peakRssMb(pid: number): number {
  return read(pid, 'VmHWM');
}

function read(pid: number, field: string): number {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(
    readFileSync(`/proc/${pid}/status`, 'utf8'),
  );
  return Number(line?.[1]) / 1024;
}
