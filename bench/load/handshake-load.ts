// TLS handshakes as a load, in a process of its own: each connection asks once and is closed. A client of its own, since wrk resumes
// sessions wherever a server lets it, so that nobody knows what was measured. Takes HandshakeLoad as JSON, prints a LoadResult.
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { connect, createSecureContext } from 'node:tls';

import { LatencyHistogram } from './latency-histogram.ts';
import type { LoadResult } from './load-generator.ts';

export interface HandshakeLoad {
  readonly url: string;
  readonly connections: number;
  readonly durationMs: number;
  /** `resumed`: each of the connections begins with the ticket of the one before it; one that the server does not take is a failure. */
  readonly sessions: 'full' | 'resumed';
  /** Key exchange. */
  readonly group: string;
  /** Paths; absent: the client shows no certificate. */
  readonly certificate?: { readonly cert: string; readonly key: string } | undefined;
}

const load = JSON.parse(process.argv[2] ?? '{}') as HandshakeLoad;
const { hostname, port, host } = new URL(load.url);
const request = `GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`;
const secureContext = createSecureContext({
  minVersion: 'TLSv1.3',
  ecdhCurve: load.group,
  ...(load.certificate !== undefined && {
    cert: readFileSync(load.certificate.cert),
    key: readFileSync(load.certificate.key),
  }),
});
const latencies = new LatencyHistogram();
const startedMs = performance.now();
const endMs = startedMs + load.durationMs;
let requests = 0;
let failures = 0;

/** One connection after the other, until the time is over. */
function line(ticket: Buffer | undefined, done: () => void): void {
  const beganMs = performance.now();
  if (beganMs >= endMs) {
    done();
    return;
  }
  let next: Buffer | undefined;
  let answered = false;
  const socket = connect({
    host: hostname,
    port: Number(port),
    secureContext,
    session: ticket,
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
  socket.setNoDelay(true);
  socket.on('secureConnect', () => {
    if (socket.isSessionReused() !== (ticket !== undefined)) failures++;
    socket.write(request);
  });
  if (load.sessions === 'resumed') socket.on('session', (session: Buffer) => (next = session));
  socket.once('data', (chunk: Buffer) => (answered = chunk.latin1Slice(0, 12) === 'HTTP/1.1 200'));
  socket.on('error', () => {});
  socket.on('end', () => socket.destroy());
  socket.on('close', () => {
    if (answered) {
      requests++;
      latencies.record((performance.now() - beganMs) * 1_000);
    } else failures++;
    line(next, done);
  });
}

let lines = load.connections;
const finished = (): void => {
  if (--lines > 0) return;
  const result: LoadResult = {
    requests,
    elapsedMs: performance.now() - startedMs,
    failures,
    p50Us: latencies.quantileUs(0.5),
    p99Us: latencies.quantileUs(0.99),
  };
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
};
for (let i = 0; i < load.connections; i++) line(undefined, finished);
