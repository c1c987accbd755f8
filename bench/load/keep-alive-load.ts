// The bench's own load generator, in a worker thread: N keep-alive connections, one request at a time on each.
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

export interface LoadRequest {
  readonly url: string;
  readonly connections: number;
  readonly durationMs: number;
}

export interface LoadReply {
  readonly requests: number;
  readonly elapsedMs: number;
  readonly failures: number;
  readonly latencyP50Us: number;
  readonly latencyP99Us: number;
}

const HEAD_END = '\r\n\r\n';
const MAX_SAMPLES = 1_000_000;

/** Bytes of the first whole response in `text`, or 0; only answers with a content-length are understood. */
export function responseLength(text: string): number {
  const end = text.indexOf(HEAD_END);
  if (end < 0) return 0;
  const length = /\r\ncontent-length: *([0-9]+)/i.exec(text.slice(0, end + 2))?.[1];
  if (length === undefined) throw new Error('the answer has no content-length');
  const whole = end + HEAD_END.length + Number(length);
  return text.length >= whole ? whole : 0;
}

class Load {
  readonly #request: LoadRequest;
  readonly #bytes: string;
  readonly #latenciesUs = new Float64Array(MAX_SAMPLES);
  readonly #sockets: Socket[] = [];
  #requests = 0;
  #failures = 0;
  #stopped = false;

  constructor(request: LoadRequest) {
    this.#request = request;
    const url = new URL(request.url);
    this.#bytes = `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`;
  }

  run(done: (reply: LoadReply) => void): void {
    const startedMs = performance.now();
    for (let i = 0; i < this.#request.connections; i++) this.#open();
    setTimeout(() => {
      this.#stopped = true;
      for (const socket of this.#sockets) socket.destroy();
      done(this.#reply(performance.now() - startedMs));
    }, this.#request.durationMs);
  }

  #open(): void {
    const url = new URL(this.#request.url);
    const socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true });
    this.#sockets.push(socket);
    let received = '';
    let sentMs = 0;
    const send = (): void => {
      sentMs = performance.now();
      socket.write(this.#bytes);
    };
    socket.setEncoding('latin1');
    socket.on('connect', send);
    socket.on('data', (chunk: string) => {
      received += chunk;
      const length = responseLength(received);
      if (length === 0 || this.#stopped) return;
      this.#count(received, sentMs);
      received = received.slice(length);
      send();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      if (this.#stopped) return;
      this.#failures++;
      setTimeout(() => this.#open(), 10);
    });
  }

  #count(received: string, sentMs: number): void {
    if (!/^HTTP\/1\.1 [23]/.test(received)) this.#failures++;
    if (this.#requests < MAX_SAMPLES)
      this.#latenciesUs[this.#requests] = (performance.now() - sentMs) * 1_000;
    this.#requests++;
  }

  #reply(elapsedMs: number): LoadReply {
    const sorted = this.#latenciesUs.subarray(0, Math.min(this.#requests, MAX_SAMPLES)).toSorted();
    const at = (part: number): number =>
      Math.round(sorted[Math.floor(sorted.length * part)] ?? Number.NaN);
    return {
      requests: this.#requests,
      elapsedMs,
      failures: this.#failures,
      latencyP50Us: at(0.5),
      latencyP99Us: at(0.99),
    };
  }
}

if (parentPort !== null)
  new Load(workerData as LoadRequest).run((reply) => parentPort?.postMessage(reply));
