// [m] `pilot-agent istio-iptables`: hands its flags to outrigger-iptables, a program of its own, and takes its exit code.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';

import type { CommandOutput } from './request.ts';

/** The exit code; 128 + number after a signal. */
export function runIptables(
  installDir: string,
  words: readonly string[],
  err: CommandOutput,
): Promise<number> {
  const path = join(installDir, 'iptables-init/bin/outrigger-iptables');
  return new Promise((resolve) => {
    const child = spawn(path, words, { stdio: 'inherit' });
    child.once('error', (error) => {
      err.write(`pilot-agent: cannot start ${path}: ${error.message}\n`);
      resolve(1);
    });
    child.once('exit', (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}
