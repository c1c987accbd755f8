// Load on a proxy for a given time: wrk where it is installed, else keep-alive-load.ts in a worker thread.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';

import { findProgram } from './find-program.ts';
import type { LoadReply, LoadRequest } from './keep-alive-load.ts';

export interface LoadResult {
  readonly requests: number;
  readonly elapsedMs: number;
  /** Answers that are not 2xx or 3xx, and broken connections: a run with any is no measurement. */
  readonly failures: number;
  readonly latencyP50Us: number;
  readonly latencyP99Us: number;
}

export interface LoadGenerator {
  readonly name: string;
  readonly run: (request: LoadRequest) => Promise<LoadResult>;
}

const UNITS_US: ReadonlyMap<string, number> = new Map([
  ['us', 1],
  ['ms', 1_000],
  ['s', 1_000_000],
  ['m', 60_000_000],
]);

function readLatencyUs(text: string, percent: string): number {
  const found = new RegExp(`^ +${percent}% +([0-9.]+)(us|ms|s|m)$`, 'm').exec(text);
  return found === null
    ? Number.NaN
    : Number(found[1]) * (UNITS_US.get(found[2] ?? '') ?? Number.NaN);
}

/** Of what wrk prints with `--latency`. */
export function parseWrkOutput(text: string): LoadResult {
  const total = /^ +([0-9]+) requests in ([0-9.]+)(ms|s|m),/m.exec(text);
  if (total === null) throw new Error(`cannot read what wrk printed:\n${text.slice(0, 1_000)}`);
  const broken =
    /Socket errors: connect ([0-9]+), read ([0-9]+), write ([0-9]+), timeout ([0-9]+)/.exec(text);
  const refused = Number(/Non-2xx or 3xx responses: ([0-9]+)/.exec(text)?.[1] ?? '0');
  const failures = (broken ?? []).slice(1).reduce((sum, count) => sum + Number(count), refused);
  return {
    requests: Number(total[1]),
    elapsedMs: (Number(total[2]) * (UNITS_US.get(total[3] ?? '') ?? Number.NaN)) / 1_000,
    failures,
    latencyP50Us: readLatencyUs(text, '50'),
    latencyP99Us: readLatencyUs(text, '99'),
  };
}

const execute = promisify(execFile);

function wrkGenerator(wrk: string, cpus: string | undefined): LoadGenerator {
  return {
    name: 'wrk',
    run: async ({ url, connections, durationMs }) => {
      const seconds = Math.max(1, Math.round(durationMs / 1_000));
      const words = [
        wrk,
        '--threads',
        '1',
        '--connections',
        String(connections),
        '--duration',
        `${seconds}s`,
        '--latency',
        url,
      ];
      if (cpus !== undefined) words.unshift('taskset', '--cpu-list', cpus);
      const { stdout } = await execute(words[0]!, words.slice(1), { timeout: durationMs + 60_000 });
      return parseWrkOutput(stdout);
    },
  };
}

const ownGenerator: LoadGenerator = {
  name: 'node',
  run: (request) =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./keep-alive-load.ts', import.meta.url), {
        workerData: request,
      });
      worker.once('message', (reply: LoadReply) => resolve(reply));
      worker.once('error', reject);
    }),
};

export function findLoadGenerator(env: NodeJS.ProcessEnv, cpus: string | undefined): LoadGenerator {
  const wrk = findProgram('wrk', env);
  return wrk === undefined ? ownGenerator : wrkGenerator(wrk, cpus);
}
