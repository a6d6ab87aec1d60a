import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * A process that cannot be mistaken for another one that got the same pid later.
 *
 * @typedef {object} ProcessIdentity
 * @property {number} pid
 * @property {string} startTime  boot and moment at which it began, in the kernel's own words; only compared
 */

/**
 * @param {number} pid
 * @returns {ProcessIdentity | undefined} undefined where no such process lives (a zombie does not)
 */
export function identifyProcess(pid) {
  const startTime = process.platform === 'linux' ? startFromProc(pid) : startFromPs(pid);
  return startTime ? { pid, startTime } : undefined;
}

/**
 * Whether this very process still lives.
 * @param {ProcessIdentity} identity
 */
export function isAlive(identity) {
  return identifyProcess(identity.pid)?.startTime === identity.startTime;
}

/**
 * Whether it began since the machine did: then its pid, while it still names a process group, names its own.
 * @param {ProcessIdentity} identity
 */
export function isOfThisBoot(identity) {
  return identity.startTime.startsWith(bootId());
}

/**
 * @param {string} path
 * @returns {ProcessIdentity | undefined} undefined where the file is absent or unreadable
 */
export function readIdentity(path) {
  try {
    const { pid, startTime } = JSON.parse(readFileSync(path, 'utf8'));
    return Number.isInteger(pid) && typeof startTime === 'string' ? { pid, startTime } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * proc_pid_stat(5): the command's name stands in parentheses and may hold any character; field 3 is the state,
 * field 22 the start in ticks since boot, which may be alike after the next boot.
 * @param {number} pid
 */
function startFromProc(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : `${bootId()} ${fields[19]}`;
  } catch {
    return undefined;
  }
}

/** @param {number} pid */
function startFromPs(pid) {
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}

function bootId() {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}
