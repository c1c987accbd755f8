// [m] DebugPages: /debug/pprof/ of port 15020 as Go programs have it, with profiles of this process (istio-contract §6.4). Loaded by the first that asks.
import type { ServerResponse } from 'node:http';

import { zlib } from '../../proxy/base/node-builtins.ts';
import { encodeCpuProfile, encodeHeapProfile } from './pprof-encoder.ts';
import { Profiler } from './profiler.ts';

const MAX_SECONDS = 300;
const DEFAULT_CPU_SECONDS = 30;
const DEFAULT_HEAP_SECONDS = 10;
const SECONDS = /^[0-9]{1,3}(?:\.[0-9]{1,3})?$/;

const INDEX = `profiles of pilot-agent

profile?seconds=30   CPU, for go tool pprof; &format=v8 for Chrome's developer tools (.cpuprofile)
heap?seconds=10      what was allocated in that time and is still held; &format=v8 (.heapprofile)
goroutine            what keeps the event loop alive, and how many of each
memory               process.memoryUsage() and V8's heap spaces, as JSON
cmdline              the command line, its words ended by NUL
symbol               none: profiles come with their names

The proxy is a process of its own: its admin port has /memory, and /logging for its log levels.
`;

/** Words in the caller's language for what he asked wrongly. */
class BadRequest extends Error {
  override readonly name = 'BadRequest';
}

export class DebugPages {
  readonly #profiler = new Profiler();

  /** `path`: what follows `/debug/pprof/`. `signal`: the caller has gone. */
  async answer(
    path: string,
    query: URLSearchParams,
    { response, signal }: DebugExchange,
  ): Promise<void> {
    try {
      switch (path) {
        case '':
          return sendText(response, 200, INDEX);
        case 'cmdline':
          return sendText(response, 200, [...process.argv, ''].join('\0'));
        case 'symbol':
          return sendText(response, 200, 'num_symbols: 0\n');
        case 'profile':
          return await this.#cpu(query, response, signal);
        case 'heap':
        case 'allocs':
          return await this.#heap(query, response, signal);
        case 'goroutine':
          return sendText(response, 200, activeResources());
        case 'memory':
          return sendBytes(response, 'application/json', Buffer.from(memoryJson()));
        default:
          return sendText(response, 404, `no profile "${path}" here; see /debug/pprof/\n`);
      }
    } catch (error) {
      sendText(response, error instanceof BadRequest ? 400 : 500, `${(error as Error).message}\n`);
    }
  }

  async #cpu(query: URLSearchParams, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const seconds = secondsOf(query, DEFAULT_CPU_SECONDS);
    const profile = await this.#profiler.cpu(seconds, signal);
    if (query.get('format') === 'v8') sendJson(response, 'profile.cpuprofile', profile);
    else sendProfile(response, 'profile', encodeCpuProfile(profile, Date.now()));
  }

  async #heap(
    query: URLSearchParams,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const seconds = secondsOf(query, DEFAULT_HEAP_SECONDS);
    const startMs = performance.now();
    const profile = await this.#profiler.heap(seconds, signal);
    const times = { endMs: Date.now(), durationMs: performance.now() - startMs };
    if (query.get('format') === 'v8') sendJson(response, 'heap.heapprofile', profile);
    else sendProfile(response, 'heap', encodeHeapProfile(profile, times));
  }
}

export interface DebugExchange {
  readonly response: ServerResponse;
  readonly signal: AbortSignal;
}

function secondsOf(query: URLSearchParams, fallback: number): number {
  const text = query.get('seconds');
  if (text === null) return fallback;
  const seconds = SECONDS.test(text) ? Number(text) : -1;
  if (seconds > 0 && seconds <= MAX_SECONDS) return seconds;
  throw new BadRequest(`seconds must be a number up to ${MAX_SECONDS}, not "${text}"`);
}

function activeResources(): string {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo())
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${count} ${kind}\n`).join('');
}

function memoryJson(): string {
  const { getHeapStatistics, getHeapSpaceStatistics } = process.getBuiltinModule('node:v8');
  return JSON.stringify(
    {
      usage: process.memoryUsage(),
      heap: getHeapStatistics(),
      spaces: getHeapSpaceStatistics(),
    },
    null,
    1,
  );
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
  });
  response.end(text);
}

function sendBytes(response: ServerResponse, type: string, bytes: Buffer, fileName?: string): void {
  response.writeHead(200, {
    'content-type': type,
    'x-content-type-options': 'nosniff',
    ...(fileName === undefined
      ? {}
      : { 'content-disposition': `attachment; filename="${fileName}"` }),
  });
  response.end(bytes);
}

function sendProfile(response: ServerResponse, name: string, profile: Buffer): void {
  sendBytes(response, 'application/octet-stream', zlib().gzipSync(profile), name);
}

function sendJson(response: ServerResponse, name: string, profile: object): void {
  sendBytes(response, 'application/json', Buffer.from(JSON.stringify(profile)), name);
}
