// Where a run happened: CPU, kernel, Node, commit; and which CPUs the proxies get.
import { execFileSync } from 'node:child_process';
import { cpus, release } from 'node:os';
import process from 'node:process';

import { findProgram } from './find-program.ts';

export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly kernel: string;
  readonly node: string;
}

export function thisMachine(): Machine {
  const list = cpus();
  return {
    cpu: list[0]?.model ?? 'unknown',
    cpus: list.length,
    kernel: release(),
    node: process.versions.node,
  };
}

export function git(root: string, ...args: string[]): string {
  try {
    return execFileSync('git', args, {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return '';
  }
}

/** With `+` where the proxy's sources differ from the commit. */
export function commitName(root: string): string {
  const commit = git(root, 'rev-parse', '--short=10', 'HEAD');
  if (commit === '') return 'unknown';
  const changed = git(root, 'status', '--porcelain', '--', 'proxy', 'xds-protos', 'package.json');
  return changed === '' ? commit : `${commit}+`;
}

export interface CpuShares {
  /** As taskset knows them; undefined: the kernel chooses. */
  readonly proxyCpus: string | undefined;
  readonly otherCpus: string | undefined;
}

/** The last CPU is the proxy's alone. Moves this process to the others, too. */
export function shareCpus(pin: boolean, env: NodeJS.ProcessEnv): CpuShares {
  const last = cpus().length - 1;
  const taskset = findProgram('taskset', env);
  if (!pin || last < 1 || taskset === undefined)
    return { proxyCpus: undefined, otherCpus: undefined };
  const otherCpus = last === 1 ? '0' : `0-${last - 1}`;
  try {
    const args = ['--all-tasks', '--cpu-list', '--pid', otherCpus, String(process.pid)];
    execFileSync(taskset, args, { stdio: 'ignore' });
  } catch {
    // In a container that forbids it; what is started is pinned all the same.
  }
  return { proxyCpus: String(last), otherCpus };
}
