// Runs one test file as a process of its own, in its own process group, and judges it by its TAP, its exit and its time.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { TapReader } from './tap-reader.ts';
import type { TapResult } from './tap-reader.ts';

export interface TestFile {
  /** Relative to the root of the tree. */
  readonly path: string;
  /** Runs alone: it needs the machine for itself (timing, namespaces, fixed names). */
  readonly serial: boolean;
  /** Belongs to the longer suites, not to `npm test`. */
  readonly long: boolean;
  readonly timeoutMs: number;
}

export interface FileResult extends TapResult {
  readonly file: TestFile;
  readonly durationMs: number;
  /** Faults of the file as a whole; each counts as one failure. */
  readonly faults: readonly string[];
  /** Last lines of standard error. */
  readonly errorTail: readonly string[];
  readonly leftRunning: boolean;
}

const COMPILE_CACHE = new URL('./compile-cache.ts', import.meta.url).href;
const KEPT_ERROR_LINES = 40;
const HEAD_BYTES = 2048;
const GRACE_MS = 2000;

/** Marks stand in comments at the very top of the file: `// @serial`, `// @long`, `// @timeout 120 s`. */
export function readMarks(path: string, defaultTimeoutMs: number): TestFile {
  const head = readHead(path);
  const comments = /^(?:\s*\/\/.*\n)*/.exec(head)![0];
  const timeout = /@timeout (\d+) s\b/.exec(comments);
  return {
    path,
    serial: /@serial\b/.test(comments),
    long: /@long\b/.test(comments),
    timeoutMs: timeout === null ? defaultTimeoutMs : Number(timeout[1]) * 1000,
  };
}

export async function runTestFile(file: TestFile): Promise<FileResult> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, ['--import', COMPILE_CACHE, file.path], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    // tap's own limit stays below ours, so that it names the test that hangs.
    env: { ...process.env, TAP_TIMEOUT: String(Math.max(1, file.timeoutMs / 1000 - 5)) },
  });
  const reader = new TapReader();
  const errorTail: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => reader.line(line));
  createInterface({ input: child.stderr }).on('line', (line) => {
    errorTail.push(line);
    if (errorTail.length > KEPT_ERROR_LINES) errorTail.shift();
  });

  const group = child.pid;
  let timedOut = false;
  const stop = (): void => {
    timedOut = true;
    signalGroup(group, 'SIGTERM');
    setTimeout(() => signalGroup(group, 'SIGKILL'), GRACE_MS).unref();
  };
  const limit = setTimeout(stop, file.timeoutMs);
  const closed = once(child, 'close');
  const [code, signal] = await exitOf(child);
  const leftRunning = await endLeftovers(group);
  await closed;
  clearTimeout(limit);

  const tap = reader.result();
  return {
    ...tap,
    file,
    durationMs: performance.now() - startedAt,
    faults: faultsOf(file, tap, { code, signal, timedOut }),
    errorTail,
    leftRunning,
  };
}

type Ending = [code: number | null, signal: NodeJS.Signals | null];

async function exitOf(child: ReturnType<typeof spawn>): Promise<Ending> {
  const { promise, resolve } = Promise.withResolvers<Ending>();
  child.on('exit', (code, signal) => resolve([code, signal]));
  child.on('error', () => resolve([null, null]));
  return promise;
}

function faultsOf(
  file: TestFile,
  tap: TapResult,
  end: { code: number | null; signal: string | null; timedOut: boolean },
): string[] {
  if (end.timedOut) return [`it took longer than ${file.timeoutMs / 1000} s and was stopped`];
  if (end.signal !== null) return [`it was ended by ${end.signal}`];
  const faults = tap.problem === undefined ? [] : [tap.problem];
  if (end.code !== 0 && tap.failed.length === 0 && faults.length === 0) {
    faults.push(`it exited with code ${end.code ?? 'none'} though no assertion failed`);
  }
  return faults;
}

/** What a test file started must end with it. Returns whether something had to be ended here. */
async function endLeftovers(group: number | undefined): Promise<boolean> {
  const steps = 20;
  for (let i = 0; i < steps; i++) {
    if (!signalGroup(group, 0)) return false;
    await sleep(GRACE_MS / steps);
  }
  return signalGroup(group, 'SIGKILL');
}

function signalGroup(group: number | undefined, signal: NodeJS.Signals | 0): boolean {
  if (group === undefined) return false;
  try {
    return process.kill(-group, signal);
  } catch {
    return false;
  }
}

function readHead(path: string): string {
  const descriptor = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(HEAD_BYTES);
    return bytes.toString('utf8', 0, readSync(descriptor, bytes, 0, HEAD_BYTES, 0));
  } finally {
    closeSync(descriptor);
  }
}
