// What a process and all its descendants cost: CPU time and memory, from /proc. Linux only.
import { readdirSync, readFileSync } from 'node:fs';

export interface CpuTime {
  readonly userUs: number;
  readonly systemUs: number;
  /** Both together, to the nanosecond where the kernel keeps schedstat; user and system time count in ticks of 10 ms. */
  readonly totalUs: number;
}

export interface Memory {
  /** Written to by this process alone: what one more sidecar costs. */
  readonly privateDirtyKb: number;
  /** Private but droppable: mostly the program's own file pages. */
  readonly privateCleanKb: number;
  readonly residentKb: number;
}

/** USER_HZ is 100 on every Linux that Node runs on. */
const TICK_US = 10_000;

interface ProcessStat {
  readonly parent: number;
  readonly userTicks: number;
  readonly systemTicks: number;
}

/** Of a line of /proc/PID/stat; the command in it may hold spaces and parentheses. */
export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    parent: Number(fields[1]),
    userTicks: Number(fields[11]),
    systemTicks: Number(fields[12]),
  };
}

function readStat(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined; // It has ended meanwhile.
  }
}

export function processTree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(name)) continue;
    const pid = Number(name);
    const parent = readStat(pid)?.parent;
    if (parent === undefined) continue;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [pid]);
    else siblings.push(pid);
  }
  const tree = [root];
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i]!) ?? []));
  return tree;
}

/** Of all threads that live; NaN where the kernel has no schedstat. */
function runTimeUs(pid: number): number {
  let sumUs = 0;
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8');
      sumUs += Number(text.split(' ')[0]) / 1_000;
    }
    return sumUs;
  } catch {
    return Number.NaN;
  }
}

export function cpuTimeOf(pids: readonly number[]): CpuTime {
  let userUs = 0;
  let systemUs = 0;
  let totalUs = 0;
  for (const pid of pids) {
    const stat = readStat(pid);
    userUs += (stat?.userTicks ?? 0) * TICK_US;
    systemUs += (stat?.systemTicks ?? 0) * TICK_US;
    totalUs += runTimeUs(pid);
  }
  return { userUs, systemUs, totalUs: Number.isNaN(totalUs) ? userUs + systemUs : totalUs };
}

/** What was spent in between; user and system time are scaled to the finer total. */
export function cpuBetween(before: CpuTime, after: CpuTime): CpuTime {
  const userUs = after.userUs - before.userUs;
  const systemUs = after.systemUs - before.systemUs;
  const totalUs = after.totalUs - before.totalUs;
  const scale = userUs + systemUs > 0 ? totalUs / (userUs + systemUs) : 0;
  return { userUs: userUs * scale, systemUs: systemUs * scale, totalUs };
}

const kilobytes = (text: string, field: string): number =>
  Number(new RegExp(`^${field}: +([0-9]+) kB$`, 'm').exec(text)?.[1] ?? '0');

export function parseSmapsRollup(text: string): Memory {
  return {
    privateDirtyKb: kilobytes(text, 'Private_Dirty'),
    privateCleanKb: kilobytes(text, 'Private_Clean'),
    residentKb: kilobytes(text, 'Rss'),
  };
}

export function memoryOf(pids: readonly number[]): Memory {
  const sum = { privateDirtyKb: 0, privateCleanKb: 0, residentKb: 0 };
  for (const pid of pids) {
    try {
      const one = parseSmapsRollup(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
      sum.privateDirtyKb += one.privateDirtyKb;
      sum.privateCleanKb += one.privateCleanKb;
      sum.residentKb += one.residentKb;
    } catch {
      // It has ended meanwhile.
    }
  }
  return sum;
}
