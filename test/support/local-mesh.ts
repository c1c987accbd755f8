// `npm start` as a child process: waits for its report, and knows its page and its folder.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { boundCommand } from './bound-command.ts';

export const ROOT = join(import.meta.dirname, '../..');
const START_LIMIT_MS = 120_000;

export interface Run {
  readonly child: ChildProcess;
  /** Standard output and error so far. */
  readonly output: () => string;
  /** Exit code. */
  readonly ended: Promise<number | null>;
}

export interface StartedMesh extends Run {
  /** Of the page. */
  readonly url: string;
  readonly runDir: string;
}

export function runStart(args: readonly string[]): Run {
  const child = spawn(...boundCommand(process.execPath, ['samples/start.ts', ...args]), {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // A test that is ended from outside runs no teardown.
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.removeListener('exit', kill));
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  }
  const ended = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => resolve(code));
  });
  return { child, output: () => text, ended };
}

/** Rejects with all that was printed when the mesh does not come up. */
export async function startMesh(args: readonly string[]): Promise<StartedMesh> {
  const run = runStart(args);
  const deadlineMs = performance.now() + START_LIMIT_MS;
  for (;;) {
    const url = /Bookinfo runs: +(http:\S+)/.exec(run.output())?.[1];
    const logs = /logs +(\S+),/.exec(run.output())?.[1];
    if (url !== undefined && logs !== undefined) return { ...run, url, runDir: dirname(logs) };
    if (run.child.exitCode !== null || performance.now() > deadlineMs) {
      run.child.kill('SIGINT');
      await run.ended;
      throw new Error(run.output());
    }
    await sleep(50);
  }
}
