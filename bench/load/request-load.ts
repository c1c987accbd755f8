// The bench's own load generator. With a rate it is an open loop: requests fall due by the clock, not when answers come, and
// time spent waiting for a free connection counts, so that a stalled server cannot hide its stall (coordinated omission).
import { connect } from 'node:net';
import type { Socket } from 'node:net';

import { LatencyHistogram } from './latency-histogram.ts';
import { ResponseReader } from './response-reader.ts';
import type { KeyKind } from './tls-material.ts';

export interface LoadRequest {
  readonly url: string;
  readonly connections: number;
  readonly durationMs: number;
  /** Requests per second, evenly spaced. Undefined: each connection sends its next request when it has its answer. */
  readonly rps?: number | undefined;
  /** Default GET. */
  readonly method?: string | undefined;
  /** Lines besides Host and content-length. */
  readonly headers?: readonly (readonly [name: string, value: string])[] | undefined;
  readonly bodyBytes?: number | undefined;
  /** HTTP/2 by prior knowledge with so many requests at once on a connection; only h2load can do it. Undefined: HTTP/1. */
  readonly streams?: number | undefined;
  /** A connection and a TLS handshake for each request: handshake-load.ts. */
  readonly handshakes?:
    | {
        readonly sessions: 'full' | 'resumed';
        readonly group: string;
        /** Of the client's certificate; undefined: it shows none. */
        readonly clientKey: KeyKind | undefined;
      }
    | undefined;
  /** gRPC over those streams: calls of one message each, or messages back and forth on calls that stay. */
  readonly grpc?: 'unary' | 'streams' | undefined;
}

export interface LoadReply {
  /** Whole answers. */
  readonly requests: number;
  readonly elapsedMs: number;
  /** Answers that are not 2xx or 3xx, requests whose connection broke, and requests without an answer at the end. */
  readonly failures: number;
  readonly connectFailures: number;
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
  /** How late the generator itself came to its requests; latencies are to be doubted where it is not small. */
  readonly lagP99Us: number;
}

/** Node's timers count whole milliseconds; being late by less is the generator's doing, not the server's. */
const TIMER_GRAIN_MS = 2;
const RECONNECT_MS = 20;
/** Answers still to come when the time is over. */
const LAST_ANSWERS_MS = 3_000;

interface Line {
  readonly socket: Socket;
  readonly reader: ResponseReader;
  /** When its request fell due; NaN: idle. */
  dueMs: number;
  ready: boolean;
}

export class RequestLoad {
  readonly #request: LoadRequest;
  readonly #url: URL;
  readonly #bytes: Buffer;
  readonly #latencies = new LatencyHistogram();
  readonly #lag = new LatencyHistogram();
  readonly #lines = new Set<Line>();
  readonly #idle: Line[] = [];
  #waiting: number[] = [];
  #waitingHead = 0;
  #startedMs = 0;
  #sent = 0;
  #answers = 0;
  #failures = 0;
  #connectFailures = 0;
  #over = false;
  #done = false;
  #timer: NodeJS.Timeout | undefined;
  #finish: (reply: LoadReply) => void = () => {};

  constructor(request: LoadRequest) {
    this.#request = request;
    this.#url = new URL(request.url);
    this.#bytes = requestBytes(request, this.#url);
  }

  run(): Promise<LoadReply> {
    this.#startedMs = performance.now();
    for (let i = 0; i < this.#request.connections; i++) this.#open();
    if (this.#request.rps !== undefined) this.#tick();
    setTimeout(() => this.#end(), this.#request.durationMs);
    return new Promise((resolve) => (this.#finish = resolve));
  }

  /** Where it stands: for progress lines. */
  progress(): LoadReply {
    const latencies = this.#latencies;
    return {
      requests: this.#answers,
      elapsedMs: performance.now() - this.#startedMs,
      failures: this.#failures,
      connectFailures: this.#connectFailures,
      meanUs: latencies.meanUs,
      p50Us: latencies.quantileUs(0.5),
      p90Us: latencies.quantileUs(0.9),
      p99Us: latencies.quantileUs(0.99),
      p999Us: latencies.quantileUs(0.999),
      maxUs: latencies.maxUs,
      lagP99Us: this.#lag.count === 0 ? 0 : this.#lag.quantileUs(0.99),
    };
  }

  /** Ends before its time. */
  stop(): void {
    this.#end();
  }

  #tick(): void {
    if (this.#over) return;
    const nowMs = performance.now();
    const intervalMs = 1_000 / (this.#request.rps ?? 1);
    for (;;) {
      const intendedMs = this.#startedMs + this.#sent * intervalMs;
      if (intendedMs > nowMs) break;
      this.#sent++;
      const lagMs = nowMs - intendedMs;
      this.#lag.record(lagMs * 1_000);
      this.#due(lagMs <= TIMER_GRAIN_MS ? nowMs : intendedMs);
    }
    this.#timer = setTimeout(() => this.#tick(), 1);
  }

  #due(dueMs: number): void {
    const line = this.#idle.pop();
    if (line === undefined) this.#waiting.push(dueMs);
    else this.#send(line, dueMs);
  }

  #send(line: Line, dueMs: number): void {
    line.dueMs = dueMs;
    line.socket.write(this.#bytes);
  }

  #open(): void {
    const socket = connect({
      host: this.#url.hostname.replace(/^\[|\]$/g, ''),
      port: Number(this.#url.port || '80'),
      noDelay: true,
    });
    const reader = new ResponseReader();
    const line: Line = { socket, reader, dueMs: Number.NaN, ready: false };
    this.#lines.add(line);
    socket.on('connect', () => {
      line.ready = true;
      this.#next(line);
    });
    socket.on('data', (chunk: Buffer) => this.#receive(line, chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#closed(line));
  }

  #receive(line: Line, chunk: Buffer): void {
    const { reader } = line;
    const { responses, refused } = reader;
    try {
      reader.push(chunk);
    } catch {
      line.socket.destroy();
      return;
    }
    this.#failures += reader.refused - refused;
    if (reader.responses > responses && !Number.isNaN(line.dueMs)) this.#answered(line);
  }

  #answered(line: Line): void {
    this.#answers++;
    this.#latencies.record((performance.now() - line.dueMs) * 1_000);
    line.dueMs = Number.NaN;
    if (line.reader.closes) line.socket.end();
    else this.#next(line);
    if (this.#over) this.#finishWhenQuiet();
  }

  #next(line: Line): void {
    if (this.#request.rps === undefined) {
      if (!this.#over) this.#send(line, performance.now());
    } else if (this.#waitingHead < this.#waiting.length) {
      const dueMs = this.#waiting[this.#waitingHead++]!;
      if (this.#waitingHead > 4_096 && this.#waitingHead * 2 > this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#waitingHead);
        this.#waitingHead = 0;
      }
      this.#send(line, dueMs);
    } else this.#idle.push(line);
  }

  #closed(line: Line): void {
    this.#lines.delete(line);
    const idleAt = this.#idle.indexOf(line);
    if (idleAt >= 0) this.#idle.splice(idleAt, 1);
    if (this.#done) return;
    const inFlight = !Number.isNaN(line.dueMs);
    if (inFlight && line.reader.end()) this.#answered(line);
    else if (inFlight) this.#failures++;
    else if (!line.ready) this.#connectFailures++;
    if (this.#over) this.#finishWhenQuiet();
    else if (line.ready) this.#open();
    else setTimeout(() => !this.#over && this.#open(), RECONNECT_MS);
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    // A closed loop stops at once; an open one owes an answer to every request that fell due.
    if (this.#request.rps === undefined) this.#close();
    else {
      this.#timer = setTimeout(() => this.#close(), LAST_ANSWERS_MS);
      this.#finishWhenQuiet();
    }
  }

  /** What fell due and waits is still sent. */
  #finishWhenQuiet(): void {
    if (this.#waitingHead < this.#waiting.length && this.#lines.size > 0) return;
    for (const line of this.#lines) {
      if (Number.isNaN(line.dueMs)) continue;
      return;
    }
    this.#close();
  }

  #close(): void {
    if (this.#done) return;
    this.#done = true;
    clearTimeout(this.#timer);
    const nowMs = performance.now();
    const open = this.#request.rps !== undefined;
    const missing = this.#waiting.slice(this.#waitingHead);
    for (const line of this.#lines) {
      if (!Number.isNaN(line.dueMs)) missing.push(line.dueMs);
      line.socket.destroy();
    }
    if (open) for (const dueMs of missing) this.#latencies.record((nowMs - dueMs) * 1_000);
    if (open) this.#failures += missing.length;
    const reply = this.progress();
    this.#finish({ ...reply, elapsedMs: Math.min(reply.elapsedMs, nowMs - this.#startedMs) });
  }
}

function requestBytes(request: LoadRequest, url: URL): Buffer {
  const lines = [`${request.method ?? 'GET'} ${url.pathname}${url.search} HTTP/1.1`];
  const headers = request.headers ?? [];
  if (!headers.some(([name]) => name.toLowerCase() === 'host')) lines.push(`Host: ${url.host}`);
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  const bodyBytes = request.bodyBytes ?? 0;
  if (bodyBytes > 0) lines.push(`content-length: ${bodyBytes}`);
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${'x'.repeat(bodyBytes)}`, 'latin1');
}
