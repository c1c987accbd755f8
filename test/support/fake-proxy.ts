// [m] A stand-in for the proxy program: a shell script that notes its pid and arguments, then does what the test says.
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What binds it to the process of the test. */
export const KERNEL_BOND = {
  kind: 'kernel',
  boundExec: join(import.meta.dirname, '../../agent/bound-exec.ts'),
} as const;

export interface FakeProxy {
  readonly path: string;
  /** One per start so far. */
  pids(): number[];
  lastArguments(): string;
}

/** `body`: shell lines. A body that ends by `exec sleep` can be killed by its noted pid. */
export function writeFakeProxy(dir: string, body: string): FakeProxy {
  const path = join(dir, 'proxy');
  const pidFile = join(dir, 'pids');
  const argumentFile = join(dir, 'arguments');
  const lines = ['#!/bin/sh', `echo "$@" > '${argumentFile}'`, `echo $$ >> '${pidFile}'`, body];
  writeFileSync(path, `${lines.join('\n')}\n`);
  chmodSync(path, 0o755);
  return {
    path,
    pids: () =>
      existsSync(pidFile)
        ? readFileSync(pidFile, 'utf8')
            .split('\n')
            .filter((line) => line !== '')
            .map(Number)
        : [],
    lastArguments: () => readFileSync(argumentFile, 'utf8').trim(),
  };
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
