// Every service of a recording at once: answers on all addresses of its pod with the one it was reached at, and with the request it saw. [m]
// Arguments: ports; --tls=FILE has what replay-upstream-tls.ts needs. Request headers choose how it behaves: x-upstream-delay-ms, x-upstream-status, x-upstream-fail-first.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import process from 'node:process';
import { TLSSocket } from 'node:tls';

import { listenWithTls } from './replay-upstream-tls.ts';
import type { UpstreamTls } from './replay-upstream-tls.ts';

const words = process.argv.slice(2);
const ports = words.filter((word) => !word.startsWith('--')).map(Number);
const tlsFile = words.find((word) => word.startsWith('--tls='))?.slice('--tls='.length);
const tls =
  tlsFile === undefined ? undefined : (JSON.parse(readFileSync(tlsFile, 'utf8')) as UpstreamTls);
/** Attempts by x-request-id. */
const attempts = new Map<string, number>();
let open = 0;

function numberOf(request: IncomingMessage, name: string): number {
  return Number(request.headers[name] ?? 0);
}

/** Who the client has proved to be; undefined in plaintext. */
function clientOf(socket: Socket): string | undefined {
  return socket instanceof TLSSocket ? socket.getPeerCertificate().subjectaltname : undefined;
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const id = String(request.headers['x-request-id'] ?? '');
  const attempt = (attempts.get(id) ?? 0) + 1;
  const failFirst = numberOf(request, 'x-upstream-fail-first');
  const failing = failFirst > 0 && attempt <= failFirst;
  // Kept for the few that count attempts, not for ten thousand others.
  if (failFirst > 0) attempts.set(id, attempt);
  response.statusCode = failing ? numberOf(request, 'x-upstream-status') || 503 : 200;
  const address = (request.socket.localAddress ?? '').replace('::ffff:', '');
  const peer = (request.socket.remoteAddress ?? '').replace('::ffff:', '');
  const client = clientOf(request.socket);
  const { method, url, headers } = request;
  response.setHeader('content-type', 'application/json');
  response.setHeader('x-powered-by', 'replay-upstream');
  response.setHeader('x-res-remove', 'yes');
  if (url?.startsWith('/mirror') === true) {
    process.stdout.write(`${JSON.stringify({ address, url, host: headers.host })}\n`);
  }
  const end = (): void =>
    void response.end(JSON.stringify({ address, peer, client, attempt, method, url, headers }));
  // With x-upstream-fail-first only the failing attempts are slow.
  const delayMs = failFirst > 0 && !failing ? 0 : numberOf(request, 'x-upstream-delay-ms');
  if (delayMs > 0) setTimeout(end, delayMs);
  else end();
}

for (const port of ports) {
  const server = createServer(answer);
  server.keepAliveTimeout = 60_000;
  const opened = (): void => {
    if (++open === ports.length) process.stdout.write('ready\n');
  };
  if (tls === undefined) server.listen(port, '0.0.0.0', opened);
  else listenWithTls(server, tls, port, opened);
}
