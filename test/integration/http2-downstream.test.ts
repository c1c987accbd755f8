// @long @timeout 180 s
// HTTP/2 clients through the whole proxy to an HTTP/1 upstream: Node's own client, raw frames, h2load and nghttp where they
// are installed. What the access log and the counters say of it.
import { spawn } from 'node:child_process';
import { connect as http2Connect } from 'node:http2';
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import process from 'node:process';
import t from 'tap';

import { findProgram } from '../../bench/load/find-program.ts';
import { eventually } from '../support/eventually.ts';
import {
  END_HEADERS,
  END_STREAM,
  FrameLog,
  GET,
  POST,
  PREFACE,
  data,
  headers,
  reset,
  settings,
  windowUpdate,
} from '../support/http2-frames.ts';
import type { Lines } from '../support/http2-frames.ts';
import { ProxyProcess, bootstrapOf, cluster, httpListener } from '../support/proxy-process.ts';

t.setTimeout(120_000);

const BIG = Buffer.alloc(3 << 20, 'y');

function answer(request: IncomingMessage, response: ServerResponse): void {
  switch (request.url) {
    case '/echo':
      response.writeHead(200);
      request.pipe(response);
      return;
    case '/big':
      response.end(BIG);
      return;
    case '/seen':
      response.end(JSON.stringify(request.rawHeaders));
      return;
    case '/trailers':
      response.writeHead(200, { trailer: 'x-t' });
      response.write('body');
      response.addTrailers({ 'x-t': 'v' });
      response.end();
      return;
    case '/never':
    case '/slow':
      return;
    case '/break':
      response.write('half');
      setTimeout(() => response.destroy(), 20);
      return;
    default:
      request.resume().on('end', () => response.end('ok'));
  }
}

async function upstream(t: Tap): Promise<number> {
  const server = createServer(answer);
  server.on('upgrade', (_request, socket: Socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
    );
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

interface Tap {
  teardown(fn: () => void | Promise<void>): void;
}

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: IncomingHttpHeaders;
}

function ask(session: ClientHttp2Session, path: string, body?: string | Buffer): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = session.request(
      { ':path': path, ':method': body === undefined ? 'GET' : 'POST' },
      { endStream: body === undefined },
    );
    let reply: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    const chunks: Buffer[] = [];
    request.on('response', (got) => (reply = got));
    request.on('trailers', (got) => (trailers = got));
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', reject);
    request.on('end', () =>
      resolve({
        status: Number(reply[':status']),
        headers: reply,
        body: Buffer.concat(chunks).toString('latin1'),
        trailers,
      }),
    );
    if (body !== undefined) request.end(body);
  });
}

/** Raw frames; `log` has what came back. */
class RawClient {
  readonly socket: Socket;
  readonly log = new FrameLog();
  ended = false;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (chunk: Buffer) => this.log.push(chunk));
    this.socket.on('end', () => (this.ended = true));
    this.socket.on('error', () => (this.ended = true));
    this.send(Buffer.from(PREFACE), settings());
  }

  send(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  until(line: RegExp): Promise<void> {
    return eventually(`${String(line)} among ${this.log.lines.join(' | ')}`, () =>
      this.log.lines.some((text) => line.test(text)),
    );
  }
}

const route = (prefix: string, more: Record<string, unknown> = {}) => ({
  match: { prefix },
  route: { cluster: 'up', timeout: '0s', ...more },
});

async function start(t: Tap, hcm: Record<string, unknown> = {}): Promise<ProxyProcess> {
  const port = await upstream(t);
  const routes = [
    {
      match: { prefix: '/direct' },
      direct_response: { status: 200, body: { inline_string: 'hi' } },
    },
    { match: { prefix: '/empty' }, direct_response: { status: 204 } },
    route('/slow', { timeout: '0.1s' }),
    route('/'),
  ];
  return ProxyProcess.start(
    t,
    bootstrapOf(
      [
        httpListener('l', routes, {
          hcm: {
            upgrade_configs: [{ upgrade_type: 'websocket' }],
            http2_protocol_options: { allow_connect: true },
            http_protocol_options: { enable_trailers: true },
            drain_timeout: '0.3s',
            ...hcm,
          },
        }),
      ],
      [
        cluster('up', [port], {
          http_protocol_options: { enable_trailers: true },
          circuit_breakers: {
            thresholds: [{ max_connections: 5000, max_pending_requests: 5000, max_requests: 5000 }],
          },
        }),
      ],
    ),
  );
}

const client = (t: Tap, port: number): ClientHttp2Session => {
  const session = http2Connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  t.teardown(() => session.destroy());
  return session;
};

const with4 = (lines: Lines, ...more: Lines): Lines => [...lines, ...more];
const get = (path: string): Lines =>
  GET.map(([name, value]) => [name, name === ':path' ? path : value]);
const post = (path: string): Lines =>
  POST.map(([name, value]) => [name, name === ':path' ? path : value]);

t.test('An HTTP/2 client', async (t) => {
  const proxy = await start(t);
  const port = proxy.port('l');
  const session = client(t, port);

  await t.test('gets an answer from upstream and from the proxy itself', async (t) => {
    const reply = await ask(session, '/x');
    t.equal(reply.status, 200);
    t.equal(reply.body, 'ok');
    t.equal(reply.headers['server'], 'envoy');
    t.notOk('connection' in reply.headers || 'transfer-encoding' in reply.headers);
    t.equal((await ask(session, '/direct')).body, 'hi');
    t.equal((await ask(session, '/empty')).status, 204);
    await proxy.untilStat('http.l.downstream_cx_http2_total', 1);
    const stats = await proxy.stats();
    t.equal(stats.get('http.l.downstream_rq_http2_total'), 3);
    t.equal(stats.get('http.l.downstream_cx_http1_total'), 0);
    t.equal(stats.get('http2.streams_active'), 0);
  });
  await t.test('sends bodies, large ones too, and gets them back', async (t) => {
    const body = Buffer.alloc(5 << 20, 'z');
    const [small, large] = await Promise.all([
      ask(session, '/echo', 'hello'),
      ask(session, '/echo', body),
    ]);
    t.equal(small.body, 'hello');
    t.equal(large.body.length, body.length);
    t.ok(Buffer.from(large.body, 'latin1').equals(body));
  });
  await t.test('has a hundred requests at once on one connection', async (t) => {
    const replies = await Promise.all(
      Array.from({ length: 100 }, (_, i) => ask(session, '/echo', `body ${i}`)),
    );
    t.strictSame(
      replies.map(({ body }) => body),
      Array.from({ length: 100 }, (_, i) => `body ${i}`),
    );
    t.equal(await proxy.stat('http.l.downstream_cx_http2_total'), 1);
  });
  await t.test('gets trailers', async (t) => {
    const reply = await ask(session, '/trailers');
    t.equal(reply.body, 'body');
    t.equal(reply.trailers['x-t'], 'v');
  });
  await t.test('is an HTTP/1 client to the upstream', async (t) => {
    const request = session.request({
      ':path': '/seen',
      cookie: ['a=1', 'b=2'],
      te: 'trailers',
      'x-own': 'v',
    });
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const lines = JSON.parse(Buffer.concat(chunks).toString()) as string[];
    t.strictSame(lines.slice(0, 2), ['host', `127.0.0.1:${port}`]);
    t.equal(lines[lines.indexOf('cookie') + 1], 'a=1; b=2');
    t.equal(lines[lines.indexOf('x-own') + 1], 'v');
    t.notOk(lines.some((line) => line.startsWith(':')));
  });
  await t.test('hears of a time-out', async (t) => {
    const reply = await ask(session, '/slow');
    t.equal(reply.status, 504);
    t.equal(reply.body, 'upstream request timeout');
  });
  await t.test('that resets a request ends it upstream, and only that one', async (t) => {
    const raw = new RawClient(port);
    t.teardown(() => raw.socket.destroy());
    const seen = (await proxy.log(1)).length;
    raw.send(headers(1, get('/never')), headers(3, get('/x')));
    await raw.until(/^DATA 3/);
    raw.send(reset(1));
    t.match(await proxy.logLine(seen, /remote_reset/), /HTTP\/2 GET 0 DR http2.remote_reset/);
    raw.send(headers(5, get('/x')));
    await raw.until(/^DATA 5/);
  });
  await t.test('that leaves ends its requests', async (t) => {
    const raw = new RawClient(port);
    raw.send(headers(1, get('/never')), headers(3, get('/never')), headers(5, get('/direct')));
    await raw.until(/^DATA 5/);
    const seen = (await proxy.log(1)).length;
    raw.socket.destroy();
    t.match(
      await proxy.logLine(seen, /disconnect/),
      /HTTP\/2 GET 0 DC downstream_remote_disconnect/,
    );
    await proxy.untilStat('http.l.downstream_rq_active', 0);
  });
  await t.test('gets a reset where the upstream breaks off', async (t) => {
    const raw = new RawClient(port);
    t.teardown(() => raw.socket.destroy());
    raw.send(headers(1, get('/break')));
    await raw.until(/^RST 1 INTERNAL_ERROR/);
    t.match(raw.log.answers.join(), /HEADERS 1 :status=200.*DATA 1 4/);
  });
  await t.test('gets an early answer and a reset in peace', async (t) => {
    const raw = new RawClient(port);
    t.teardown(() => raw.socket.destroy());
    raw.send(headers(1, post('/direct'), END_HEADERS));
    await raw.until(/^RST 1 NO_ERROR/);
    raw.send(data(1, 'late', END_STREAM), headers(3, get('/direct')));
    await raw.until(/^DATA 3 2 end/);
  });
  await t.test('speaks WebSocket by extended CONNECT', async (t) => {
    const raw = new RawClient(port);
    t.teardown(() => raw.socket.destroy());
    raw.send(
      headers(
        1,
        [[':protocol', 'websocket'], [':method', 'CONNECT'], ...get('/ws').slice(1)],
        END_HEADERS,
      ),
      data(1, 'hello'),
    );
    await raw.until(/^DATA 1 5/);
    t.match(raw.log.answers[0], /^HEADERS 1 :status=200/);
    t.notMatch(raw.log.answers[0], /upgrade/);
    raw.send(data(1, 'again!'));
    await raw.until(/^DATA 1 6/);
    t.equal(await proxy.stat('http.l.downstream_cx_upgrades_active'), 1);
    raw.send(reset(1));
    await proxy.untilStat('http.l.downstream_cx_upgrades_active', 0);
  });
  await t.test(
    'that breaks the rules of messages loses its connection, with a log line',
    async (t) => {
      const raw = new RawClient(port);
      const seen = (await proxy.log(1)).length;
      raw.send(headers(1, with4(get('/x'), ['connection', 'close'])));
      await raw.until(/^GOAWAY 1 PROTOCOL_ERROR/);
      await eventually('the connection ends', () => raw.ended);
      t.match(await proxy.logLine(seen, /invalid/), /HTTP\/2 - 0 DPE http2.invalid.header.field/);
    },
  );
  await t.test('with too many header lines loses that request', async (t) => {
    const raw = new RawClient(port);
    t.teardown(() => raw.socket.destroy());
    const seen = (await proxy.log(1)).length;
    raw.send(
      headers(
        1,
        with4(get('/x'), ...Array.from({ length: 100 }, (_, i) => [`a${i}`, 'b'] as const)),
      ),
      headers(3, get('/direct')),
    );
    await raw.until(/^RST 1 INTERNAL_ERROR/);
    await raw.until(/^DATA 3/);
    t.match(await proxy.logLine(seen, /too_many/), /HTTP\/2 - 0 DR http2.too_many_headers/);
  });
  await t.test(
    'that resets rapidly loses its connection; another one does not notice',
    async (t) => {
      const raw = new RawClient(port);
      const slow: number[] = [];
      for (let i = 0; i < 300; i++) {
        raw.send(headers(2 * i + 1, get('/never')), reset(2 * i + 1));
        if (i % 30 !== 0) continue;
        const before = performance.now();
        t.equal((await ask(session, '/direct')).status, 200);
        slow.push(performance.now() - before);
      }
      await eventually('the connection ends', () => raw.ended);
      t.match(raw.log.answers.at(-1), /^GOAWAY 499 ENHANCE_YOUR_CALM/);
      t.equal(await proxy.stat('http.l.downstream_rq_too_many_premature_resets'), 1);
      t.ok(Math.max(...slow) < 2000);
      await proxy.untilStat('http.l.downstream_rq_active', 0);
    },
  );
  await t.test('that reads slowly holds the upstream back', async (t) => {
    const raw = new RawClient(port);
    t.teardown(() => raw.socket.destroy());
    raw.send(headers(1, get('/big')));
    // The default window is all there is.
    await eventually('65535 bytes', () => sum(raw, 1) === 65_535);
    await new Promise((resolve) => setTimeout(resolve, 100));
    t.equal(sum(raw, 1), 65_535);
    t.ok((await proxy.stat('http2.pending_send_bytes')) < 2 << 20);
    t.ok((await proxy.stat('cluster.up.upstream_flow_control_paused_reading_total')) > 0);
    raw.send(windowUpdate(0, 0x3fff_ffff), windowUpdate(1, 0x3fff_ffff));
    await eventually('all of it', () => sum(raw, 1) === BIG.length);
  });
  await t.test('that breaks off its preface is told so in HTTP/2', async (t) => {
    const raw = connect(port, '127.0.0.1');
    t.teardown(() => raw.destroy());
    const log = new FrameLog();
    raw.on('data', (chunk: Buffer) => log.push(chunk));
    raw.write('PRI * HTTP/2.0\r\n\r\nXX');
    await eventually('GOAWAY', () => log.lines.includes('GOAWAY 0 PROTOCOL_ERROR'));
  });
  await t.test('that speaks part of the preface first is taken for HTTP/1', async (t) => {
    const socket = connect(port, '127.0.0.1');
    t.teardown(() => socket.destroy());
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.setNoDelay(true).write(PREFACE.slice(0, 11));
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.write(PREFACE.slice(11));
    await eventually('an answer', () => text.includes('\r\n\r\n'));
    t.match(text, /^HTTP\/1.1 400 /);
  });
  t.end();
});

const sum = (raw: RawClient, id: number): number =>
  raw.log.lines.reduce(
    (total, line) => total + (line.startsWith(`DATA ${id} `) ? Number(line.split(' ')[2]) : 0),
    0,
  );

t.test('A connection ends', async (t) => {
  const rows: readonly [what: string, hcm: Record<string, unknown>, stat: string][] = [
    [
      'after its idle time',
      { common_http_protocol_options: { idle_timeout: '0.3s' } },
      'downstream_cx_idle_timeout',
    ],
    [
      'at its age',
      { common_http_protocol_options: { max_connection_duration: '0.3s' } },
      'downstream_cx_max_duration_reached',
    ],
    [
      'after so many requests',
      { common_http_protocol_options: { max_requests_per_connection: 2 } },
      'downstream_cx_max_requests_reached',
    ],
  ];
  for (const [what, hcm, stat] of rows) {
    await t.test(`${what}, in two steps`, async (t) => {
      const proxy = await start(t, hcm);
      const raw = new RawClient(proxy.port('l'));
      raw.send(headers(1, get('/direct')), headers(3, get('/x')));
      await raw.until(/^GOAWAY 2147483647 NO_ERROR/);
      // What is sent before the client heard of it is served.
      raw.send(headers(5, get('/direct')));
      await raw.until(/^DATA 5/);
      await raw.until(/^GOAWAY 5 NO_ERROR/);
      await eventually('the connection ends', () => raw.ended);
      t.ok((await proxy.stat(`http.l.${stat}`)) > 0);
      await proxy.untilStat('http.l.downstream_cx_active', 0);
    });
  }
  await t.test('when a header block does not', async (t) => {
    const proxy = await start(t, { request_headers_timeout: '0.2s' });
    const raw = new RawClient(proxy.port('l'));
    raw.send(headers(1, get('/direct'), END_STREAM));
    await raw.until(/^GOAWAY/);
    await eventually('the connection ends', () => raw.ended);
    t.equal(await proxy.stat('http.l.downstream_rq_header_timeout'), 1);
  });
  await t.test('not with one stream that is idle', async (t) => {
    const proxy = await start(t, { stream_idle_timeout: '0.2s' });
    const raw = new RawClient(proxy.port('l'));
    t.teardown(() => raw.socket.destroy());
    raw.send(headers(1, post('/x'), END_HEADERS));
    await raw.until(/^HEADERS 1 :status=408/);
    await raw.until(/^RST 1 NO_ERROR/);
    raw.send(headers(3, get('/direct')));
    await raw.until(/^DATA 3/);
  });
  t.end();
});

t.test('A listener of HTTP/1 takes no HTTP/2, one of HTTP/2 nothing else', async (t) => {
  const only1 = await start(t, { codec_type: 'HTTP1' });
  const raw = connect(only1.port('l'), '127.0.0.1');
  t.teardown(() => raw.destroy());
  let text = '';
  raw.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  raw.write(PREFACE);
  await eventually('an answer', () => text.includes('\r\n\r\n'));
  t.match(text, /^HTTP\/1.1 400 /);
  const only2 = await start(t, { codec_type: 'HTTP2' });
  const other = new RawClient(only2.port('l'));
  other.send(headers(1, get('/direct')));
  await other.until(/^DATA 1 2 end/);
  other.socket.destroy();
  const plain = connect(only2.port('l'), '127.0.0.1');
  let ended = false;
  plain.on('end', () => (ended = true)).resume();
  plain.write('GET / HTTP/1.1\r\nhost: h\r\n\r\n');
  await eventually('it hangs up', () => ended);
  plain.destroy();
});

/** Runs a program to its end; its output. */
function run(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', reject);
    child.on('close', () => resolve(output));
  });
}

t.test('Clients of nghttp2', async (t) => {
  const h2load = findProgram('h2load', process.env);
  const nghttp = findProgram('nghttp', process.env);
  if (h2load === undefined || nghttp === undefined) {
    t.comment('SKIPPED: h2load and nghttp (package nghttp2) are not installed');
    t.pass('# SKIP h2load and nghttp are not installed');
    return;
  }
  const proxy = await start(t);
  const url = (path: string): string => `http://127.0.0.1:${proxy.port('l')}${path}`;
  const loads: readonly [what: string, args: readonly string[], path: string, count: number][] = [
    ['many small ones', ['-n4000', '-c4', '-m32'], '/direct', 4000],
    ['through to the upstream', ['-n1000', '-c4', '-m16'], '/x', 1000],
    ['one at a time', ['-n200', '-c1', '-m1'], '/x', 200],
    ['large ones', ['-n30', '-c2', '-m10'], '/big', 30],
    ['large ones with small windows', ['-n6', '-c1', '-m3', '-w16', '-W16'], '/big', 6],
  ];
  for (const [what, args, path, count] of loads) {
    await t.test(`h2load: ${what}`, async (t) => {
      const output = await run(h2load, [...args, url(path)]);
      t.match(output, new RegExp(`${count} succeeded, 0 failed, 0 errored`));
    });
  }
  await t.test('nghttp: headers, body and no error', async (t) => {
    const output = await run(nghttp, ['-v', '-H', 'x-a: b', url('/seen')]);
    t.match(output, /:status: 200/);
    t.match(output, /"x-a","b"/);
    t.match(output, /GOAWAY frame/);
  });
  await eventually(
    'all streams are over',
    async () => (await proxy.stat('http2.streams_active')) === 0,
  );
});
