// The floor that Node's OpenSSL sets: CPU of a handshake on a bare TLSWrap that does nothing else (accept, handshake, one read, one
// write, close), beside which `npm run bench -- --only handshakes` measures proxies. Run: node bench/micro/tls-handshake.bench.ts
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';

import {
  newShutdownRequest,
  newTcpServer,
  newWriteRequest,
} from '../../proxy/network/socket-binding.ts';
import type { SocketHandle } from '../../proxy/network/socket-binding.ts';
import { newContext, wrapSocket } from '../../proxy/tls/tls-binding.ts';
import { TicketKeys } from '../../proxy/tls/ticket-keys.ts';
import type { TlsHandle } from '../../proxy/tls/tls-binding.ts';
import { TestCertificate } from '../../test/support/test-certificates.ts';
import type { HandshakeLoad } from '../load/handshake-load.ts';
import type { LoadResult } from '../load/load-generator.ts';

const SMOKE = process.argv.includes('--smoke');
const ROUND_MS = SMOKE ? 150 : 1_500;
const ANSWER = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
const CLIENT = join(import.meta.dirname, '../load/handshake-load.ts');

interface Row {
  readonly key: 'P-256' | 'rsa';
  readonly mutual: boolean;
  readonly sessions: 'full' | 'resumed';
  readonly group: string;
}

const rowOf = (
  key: Row['key'],
  mutual: boolean,
  sessions: Row['sessions'],
  group = 'X25519',
): Row => ({
  key,
  mutual,
  sessions,
  group,
});

const ROWS: readonly Row[] = [
  rowOf('P-256', false, 'full'),
  rowOf('P-256', false, 'full', 'X25519MLKEM768'),
  rowOf('P-256', false, 'resumed'),
  rowOf('P-256', true, 'full'),
  rowOf('P-256', true, 'resumed'),
  rowOf('rsa', true, 'full'),
  rowOf('rsa', true, 'resumed'),
];

const dir = mkdtempSync(join(tmpdir(), 'tls-handshake-'));

/** The socket below a TLSWrap holds it: nobody else does. */
type Held = SocketHandle & { tls?: TlsHandle };

function serve(socket: Held, context: ReturnType<typeof newContext>, mutual: boolean): void {
  const handle = wrapSocket(socket, context, 'server');
  socket.tls = handle;
  let open = true;
  const end = (): void => {
    if (!open) return;
    open = false;
    socket.close(() => handle.destroySSL());
  };
  const ignore = (): void => {};
  handle.onhandshakestart = ignore;
  handle.onhandshakedone = ignore;
  handle.onnewsession = ignore;
  handle.onerror = end;
  handle.setVerifyMode(mutual, mutual);
  handle.onread = (): void => {
    handle.onread = end;
    const request = newWriteRequest();
    request.oncomplete = (): void => {
      const last = newShutdownRequest();
      last.oncomplete = ignore;
      handle.shutdown(last);
      setImmediate(end);
    };
    handle.writeBuffer(request, ANSWER);
  };
  socket.setNoDelay(true);
  handle.readStart();
}

function listen(
  { key, mutual, sessions }: Row,
  root: TestCertificate,
): { port: number; close(): void } {
  const leaf = root.issue({ names: [{ uri: 'spiffe://td/ns/a/sa/server' }], key });
  const tickets = new TicketKeys([Buffer.alloc(80, 1)], Buffer.alloc(32));
  const context = newContext({
    cert: leaf.pem + root.pem,
    key: leaf.keyPem,
    ca: root.pem,
    sessionIdContext: 'bench',
    ticketKeys: tickets.first,
    ecdhCurve: 'X25519MLKEM768:X25519:P-256',
  });
  // As in the proxy: only who comes back pays for tickets that are renewed.
  if (sessions === 'resumed') tickets.serve(context);
  const server = newTcpServer();
  server.bind('127.0.0.1', 0, 0);
  server.onconnection = (_status, socket) => serve(socket, context, mutual);
  server.listen(511);
  const name: { port?: number } = {};
  server.getsockname(name);
  return { port: name.port!, close: () => server.close() };
}

async function load(request: HandshakeLoad): Promise<LoadResult> {
  const { stdout } = await promisify(execFile)(process.execPath, [CLIENT, JSON.stringify(request)]);
  return JSON.parse(stdout) as LoadResult;
}

async function measure(row: Row): Promise<string> {
  const { key, mutual, sessions, group } = row;
  const root = TestCertificate.root({ key });
  const server = listen(row, root);
  const client = root.issue({ names: [{ uri: 'spiffe://td/ns/a/sa/client' }], key });
  const certificate = { cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem') };
  writeFileSync(certificate.cert, client.pem);
  writeFileSync(certificate.key, client.keyPem, { mode: 0o600 });
  const request: HandshakeLoad = {
    url: `https://127.0.0.1:${server.port}/`,
    connections: 8,
    durationMs: ROUND_MS,
    sessions,
    group,
    certificate: mutual ? certificate : undefined,
  };
  const costs: number[] = [];
  for (let round = SMOKE ? 1 : 0; round < (SMOKE ? 2 : 4); round++) {
    const before = process.cpuUsage();
    const { requests, failures } = await load(request);
    const { user, system } = process.cpuUsage(before);
    if (failures > 0) throw new Error(`${failures} of ${requests} handshakes failed`);
    // The first round warms up.
    if (round > 0) costs.push((user + system) / Math.max(1, requests));
  }
  server.close();
  return Math.min(...costs).toFixed(0);
}

process.stdout.write(`${'handshake, TLS 1.3'.padEnd(58)}  CPU µs, best of 3\n`);
try {
  for (const one of SMOKE ? ROWS.slice(-2) : ROWS) {
    const { key, mutual, sessions, group } = one;
    const name = `${sessions}, ${key}, ${group}${mutual ? ', mutual' : ''}`;
    process.stdout.write(`${name.padEnd(58)}${(await measure(one)).padStart(10)}\n`);
  }
} finally {
  rmSync(dir, { recursive: true });
}
