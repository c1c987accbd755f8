// Saturating load for a given time: wrk where it is installed, else request-load.ts; h2load for HTTP/2. Fixed rates are always request-load.ts.
import { execFile, spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';

import { grpcFrame } from './backend.ts';
import { findProgram } from './find-program.ts';
import type { HandshakeLoad } from './handshake-load.ts';
import type { LoadReply, LoadRequest } from './request-load.ts';
import { tlsMaterial } from './tls-material.ts';

export interface LoadResult {
  readonly requests: number;
  readonly elapsedMs: number;
  /** Answers that are not 2xx or 3xx, and broken connections: a run with any is no measurement. */
  readonly failures: number;
  readonly p50Us: number;
  readonly p99Us: number;
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
    p50Us: readLatencyUs(text, '50'),
    p99Us: readLatencyUs(text, '99'),
  };
}

/** Of what h2load prints, and of its log: a line a request, the third word its µs. */
export function parseH2load(text: string, log: string): LoadResult {
  const total = /^requests: .* ([0-9]+) done, ([0-9]+) succeeded, ([0-9]+) failed/m.exec(text);
  const elapsed = /^finished in ([0-9.]+)(us|ms|s|m),/m.exec(text);
  if (total === null || elapsed === null)
    throw new Error(`cannot read what h2load printed:\n${text.slice(0, 1_000)}`);
  const timesUs = Float64Array.from(
    log.split('\n').filter((line) => line !== ''),
    (line) => Number(line.split('\t')[2]),
  ).toSorted();
  const at = (share: number): number =>
    timesUs[Math.min(timesUs.length - 1, Math.floor(timesUs.length * share))] ?? Number.NaN;
  return {
    requests: Number(total[1]),
    elapsedMs: (Number(elapsed[1]) * (UNITS_US.get(elapsed[2] ?? '') ?? Number.NaN)) / 1_000,
    failures: Number(total[1]) - Number(total[2]),
    p50Us: at(0.5),
    p99Us: at(0.99),
  };
}

const execute = promisify(execFile);

function wrkArguments(request: LoadRequest, dir: string): string[] {
  const seconds = Math.max(1, Math.round(request.durationMs / 1_000));
  const words = ['--threads', '1', '--connections', String(request.connections)];
  words.push('--duration', `${seconds}s`, '--latency');
  for (const [name, value] of request.headers ?? []) words.push('--header', `${name}: ${value}`);
  if (request.method !== undefined && request.method !== 'GET') {
    const script = join(dir, 'wrk.lua');
    const body = `string.rep("x", ${request.bodyBytes ?? 0})`;
    writeFileSync(script, `wrk.method = "${request.method}"\nwrk.body = ${body}\n`);
    words.push('--script', script);
  }
  return [...words, request.url];
}

function pinned(words: readonly string[], cpus: string | undefined): [string, string[]] {
  const all = cpus === undefined ? words : ['taskset', '--cpu-list', cpus, ...words];
  return [all[0]!, all.slice(1)];
}

/** request-load.ts in a process of its own. */
export function runOwnLoad(request: LoadRequest, cpus: string | undefined): Promise<LoadReply> {
  return startOwnLoad(request, cpus).reply;
}

export interface StartedLoad {
  readonly reply: Promise<LoadReply>;
  /** Ends it before its time; `reply` still comes. */
  stop(): void;
}

export function startOwnLoad(request: LoadRequest, cpus: string | undefined): StartedLoad {
  const [command, args] = pinned(
    [process.execPath, join(import.meta.dirname, 'load-process.ts'), JSON.stringify(request)],
    cpus,
  );
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.on('error', () => {});
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  const reply = new Promise<LoadReply>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0 && output !== '') resolve(JSON.parse(output) as LoadReply);
      else reject(new Error(`the load generator ended with ${code}`));
    });
  });
  return { reply, stop: () => child.stdin.end() };
}

export interface LoadGeneratorPlace {
  readonly env: NodeJS.ProcessEnv;
  readonly cpus: string | undefined;
  /** For wrk's scripts. */
  readonly dir: string;
}

function unaryArguments({ bodyBytes = 0 }: LoadRequest, dir: string): string[] {
  const body = join(dir, 'grpc-message');
  writeFileSync(body, grpcFrame(bodyBytes));
  return ['-d', body, '-H', 'content-type: application/grpc', '-H', 'te: trailers'];
}

/** grpc-streams.ts in a process of its own. */
async function runGrpcStreams(request: LoadRequest, cpus: string | undefined): Promise<LoadResult> {
  const words = [process.execPath, join(import.meta.dirname, 'grpc-streams.ts'), 'load'];
  words.push(new URL(request.url).host, String(request.durationMs), String(request.streams));
  const [command, args] = pinned(words, cpus);
  const { stdout } = await execute(command, args, { timeout: request.durationMs + 60_000 });
  return JSON.parse(stdout) as LoadResult;
}

/** handshake-load.ts in a process of its own. */
async function runHandshakes(
  { url, connections, durationMs, handshakes }: LoadRequest,
  { cpus, dir }: LoadGeneratorPlace,
): Promise<LoadResult> {
  const { sessions, group, clientKey } = handshakes!;
  const material = clientKey && tlsMaterial(dir, clientKey);
  const certificate = material && { cert: material.clientCert, key: material.clientKey };
  const load: HandshakeLoad = { url, connections, durationMs, sessions, group, certificate };
  const program = join(import.meta.dirname, 'handshake-load.ts');
  const [command, args] = pinned([process.execPath, program, JSON.stringify(load)], cpus);
  const { stdout } = await execute(command, args, { timeout: durationMs + 60_000 });
  return JSON.parse(stdout) as LoadResult;
}

async function runH2load(
  request: LoadRequest,
  { env, cpus, dir }: LoadGeneratorPlace,
): Promise<LoadResult> {
  const h2load = findProgram('h2load', env);
  if (h2load === undefined)
    throw new Error('HTTP/2 needs h2load (nghttp2), which is not installed');
  const logFile = join(dir, 'h2load.log');
  rmSync(logFile, { force: true });
  const seconds = Math.max(1, Math.round(request.durationMs / 1_000));
  const words = ['-t', '1', '-c', String(request.connections), '-m', String(request.streams)];
  if (request.grpc === 'unary') words.push(...unaryArguments(request, dir));
  words.push('-D', String(seconds), '--log-file', logFile, request.url);
  const [command, args] = pinned([h2load, ...words], cpus);
  const { stdout } = await execute(command, args, { timeout: request.durationMs + 60_000 });
  return parseH2load(stdout, readFileSync(logFile, 'latin1'));
}

export function findLoadGenerator(place: LoadGeneratorPlace): LoadGenerator {
  const http1 = findHttp1Generator(place);
  return {
    name: http1.name,
    run: (request) => {
      if (request.handshakes !== undefined) return runHandshakes(request, place);
      if (request.grpc === 'streams') return runGrpcStreams(request, place.cpus);
      return request.streams === undefined ? http1.run(request) : runH2load(request, place);
    },
  };
}

function findHttp1Generator({ env, cpus, dir }: LoadGeneratorPlace): LoadGenerator {
  const wrk = findProgram('wrk', env);
  if (wrk === undefined) {
    const run = async (request: LoadRequest): Promise<LoadResult> => {
      if (request.url.startsWith('https:'))
        throw new Error('TLS needs wrk, which is not installed');
      const reply = await runOwnLoad(request, cpus);
      return { ...reply, failures: reply.failures + reply.connectFailures };
    };
    return { name: 'node', run };
  }
  const run = async (request: LoadRequest): Promise<LoadResult> => {
    const [command, args] = pinned([wrk, ...wrkArguments(request, dir)], cpus);
    const { stdout } = await execute(command, args, { timeout: request.durationMs + 60_000 });
    return parseWrkOutput(stdout);
  };
  return { name: 'wrk', run };
}
