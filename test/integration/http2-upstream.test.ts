// HTTP/2 to upstreams through the whole proxy: HTTP/1 and HTTP/2 clients, translation both ways, gRPC of all four kinds
// with the library that applications use, nghttpd where it is installed.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as http1Request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect as http2Connect, constants, createServer } from 'node:http2';
import type { ClientHttp2Session, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { Client, Metadata, Server, ServerCredentials, credentials, status } from '@grpc/grpc-js';
import type {
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  sendUnaryData,
} from '@grpc/grpc-js';
import t from 'tap';

import { findProgram } from '../../bench/load/find-program.ts';
import { eventually } from '../support/eventually.ts';
import { ProxyProcess, bootstrapOf, cluster, httpListener } from '../support/proxy-process.ts';
import { RawPeer } from '../support/raw-peers.ts';
import { freePort } from '../support/free-port.ts';

t.setTimeout(120_000);

interface Tap {
  teardown(fn: () => void | Promise<void>): void;
}

const BIG = Buffer.alloc(3 << 20, 'y');
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const speaks = (options: Record<string, unknown>) => ({
  typed_extension_protocol_options: {
    [HTTP_OPTIONS]: { '@type': `type.googleapis.com/${HTTP_OPTIONS}`, ...options },
  },
});
const HTTP2 = speaks({ explicit_http_config: { http2_protocol_options: {} } });

interface Origin {
  readonly port: number;
  sessions: number;
  refusals: number;
}

function answer(stream: ServerHttp2Stream, head: IncomingHttpHeaders, origin: Origin): void {
  stream.on('error', () => {});
  const path = head[':path'] ?? '';
  if (head[':protocol'] !== undefined) {
    stream.respond({
      ':status': path === '/no' ? 403 : 200,
      'x-protocol': head[':protocol'] as string,
    });
    if (path === '/no') stream.end('no');
    else stream.pipe(stream);
    return;
  }
  switch (path) {
    case '/echo':
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
      return;
    case '/big':
      stream.respond({ ':status': 200, 'content-length': BIG.length });
      stream.end(BIG);
      return;
    case '/seen':
      stream.respond({ ':status': 200 });
      stream.end(JSON.stringify(head));
      return;
    case '/trailers':
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-t': 'v' }));
      stream.end('body');
      return;
    case '/early':
      stream.respond({ ':status': 413 });
      stream.end('too large');
      return;
    case '/hints':
      stream.additionalHeaders({ ':status': 103, link: '</a>' });
      stream.respond({ ':status': 200 });
      stream.end('ok');
      return;
    case '/reset':
      stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      return;
    case '/half':
      stream.respond({ ':status': 200 });
      stream.write('half');
      setTimeout(() => stream.destroy(new Error('broken off')), 50);
      return;
    case '/refused':
      if (origin.refusals-- > 0) stream.close(constants.NGHTTP2_REFUSED_STREAM);
      else {
        stream.respond({ ':status': 200 });
        stream.end('at last');
      }
      return;
    case '/goaway':
      stream.session?.goaway(0);
      stream.respond({ ':status': 200 });
      stream.end('last');
      return;
    default:
      stream.resume().on('end', () => {
        stream.respond({ ':status': 200, 'content-type': 'text/plain' });
        stream.end('ok');
      });
  }
}

async function startOrigin(t: Tap): Promise<Origin> {
  const server = createServer({ settings: { enableConnectProtocol: true } });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = { port: (server.address() as AddressInfo).port, sessions: 0, refusals: 1 };
  const open = new Set<{ destroy(): void }>();
  server.on('session', (session) => {
    origin.sessions++;
    open.add(session);
    session.on('close', () => open.delete(session));
    session.on('error', () => {});
  });
  server.on('stream', (stream, head) => answer(stream as ServerHttp2Stream, head, origin));
  t.teardown(() => {
    for (const session of open) session.destroy();
    server.close();
  });
  return origin;
}

interface Reply {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly body: string;
  readonly trailers: Record<string, unknown>;
}

function ask1(
  port: number,
  path: string,
  body?: string | Buffer,
  head: Record<string, string> = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = http1Request(
      {
        port,
        host: '127.0.0.1',
        path,
        method: body === undefined ? 'GET' : 'POST',
        headers: head,
        agent: false,
      },
      (response: IncomingMessage) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString('latin1'),
            trailers: response.trailers,
          }),
        );
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

function ask2(session: ClientHttp2Session, path: string, body?: string | Buffer): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const stream = session.request(
      { ':path': path, ':method': body === undefined ? 'GET' : 'POST' },
      { endStream: body === undefined },
    );
    let head: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    const chunks: Buffer[] = [];
    stream.on('response', (got) => (head = got));
    stream.on('trailers', (got) => (trailers = got));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('end', () =>
      resolve({
        status: Number(head[':status']),
        headers: head,
        body: Buffer.concat(chunks).toString('latin1'),
        trailers,
      }),
    );
    if (body !== undefined) stream.end(body);
  });
}

function client(t: Tap, port: number): ClientHttp2Session {
  const session = http2Connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  t.teardown(() => session.destroy());
  return session;
}

const HCM = {
  upgrade_configs: [{ upgrade_type: 'websocket' }],
  http2_protocol_options: { allow_connect: true },
  http_protocol_options: { enable_trailers: true },
  proxy_100_continue: true,
};

function start(
  t: Tap,
  port: number,
  options: Record<string, unknown> = HTTP2,
): Promise<ProxyProcess> {
  const retry = { retry_on: 'refused-stream', num_retries: 2 };
  return ProxyProcess.start(
    t,
    bootstrapOf(
      [
        httpListener(
          'l',
          [
            { match: { prefix: '/refused' }, route: { cluster: 'up', retry_policy: retry } },
            { match: { prefix: '/' }, route: { cluster: 'up', timeout: '0s' } },
          ],
          { hcm: HCM },
        ),
      ],
      [cluster('up', [port], options)],
    ),
  );
}

t.test('An HTTP/2 upstream', async (t) => {
  const origin = await startOrigin(t);
  const proxy = await start(t, origin.port);
  const port = proxy.port('l');
  const session = client(t, port);
  const clients: readonly [
    version: string,
    ask: (path: string, body?: string | Buffer) => Promise<Reply>,
  ][] = [
    ['HTTP/1', (path, body) => ask1(port, path, body)],
    ['HTTP/2', (path, body) => ask2(session, path, body)],
  ];
  for (const [version, ask] of clients) {
    await t.test(`answers a client of ${version}`, async (t) => {
      const reply = await ask('/x');
      t.equal(reply.status, 200);
      t.equal(reply.body, 'ok');
      t.equal(reply.headers['content-type'], 'text/plain');
      const seen = JSON.parse((await ask('/seen')).body) as Record<string, string>;
      t.match(seen, {
        ':method': 'GET',
        ':path': '/seen',
        ':scheme': 'http',
        ':authority': `127.0.0.1:${port}`,
        'x-forwarded-proto': 'http',
      });
      t.notOk('connection' in seen || 'host' in seen || 'transfer-encoding' in seen);
    });
    await t.test(`takes the bodies of a client of ${version}`, async (t) => {
      t.equal((await ask('/echo', 'hello')).body, 'hello');
      const large = Buffer.alloc(2 << 20, 'z');
      t.equal((await ask('/echo', large)).body.length, large.length);
      t.equal((await ask('/big')).body.length, BIG.length);
    });
    await t.test(`sends trailers to a client of ${version}`, async (t) => {
      const reply = await ask('/trailers');
      t.equal(reply.body, 'body');
      t.equal(reply.trailers['x-t'], 'v');
    });
    await t.test(`answers early to a client of ${version}`, async (t) => {
      const reply = await ask('/early', 'x');
      t.equal(reply.status, 413);
      t.equal(reply.body, 'too large');
    });
    await t.test(`resets: 503 for a client of ${version}`, async (t) => {
      const seen = (await proxy.log(1)).length;
      const reply = await ask('/reset');
      t.equal(reply.status, 503);
      t.match(reply.body, /reset reason: remote reset/);
      t.match(
        await proxy.logLine(seen, / UR /),
        /503 UR upstream_reset_before_response_started\{remote_reset\}/,
      );
    });
    await t.test(`resets midway: a client of ${version} is told`, async (t) => {
      await t.rejects(ask('/half'));
    });
    await t.test(`refuses once: retried for a client of ${version}`, async (t) => {
      origin.refusals = 1;
      t.equal((await ask('/refused')).body, 'at last');
    });
    await t.test(`says GOAWAY: a client of ${version} does not notice`, async (t) => {
      const before = origin.sessions;
      t.equal((await ask('/goaway')).body, 'last');
      t.equal((await ask('/x')).body, 'ok');
      t.equal(origin.sessions, before + 1);
    });
  }
  await t.test('is one connection for a hundred requests', async (t) => {
    const before = origin.sessions;
    const replies = await Promise.all(
      Array.from({ length: 100 }, (_, i) => ask1(port, '/echo', `body ${i}`)),
    );
    t.strictSame(
      replies.map(({ body }) => body),
      Array.from({ length: 100 }, (_, i) => `body ${i}`),
    );
    t.equal(origin.sessions, before);
    const stats = await proxy.stats();
    t.ok((stats.get('cluster.up.upstream_cx_http2_total') ?? 0) > 0);
    t.equal(stats.get('cluster.up.upstream_cx_http1_total'), 0);
    t.equal(stats.get('cluster.up.upstream_rq_active'), 0);
    t.equal(stats.get('cluster.up.http2.streams_active'), 0);
  });
  await t.test('gets chunks and trailers of an HTTP/1 client as DATA and trailers', async (t) => {
    const peer = await RawPeer.connect(port);
    t.teardown(() => peer.socket.destroy());
    peer.send(
      'POST /echo HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nx-t: v\r\n\r\n',
    );
    await eventually('the end', () => peer.text.endsWith('0\r\n\r\n'));
    t.match(peer.text, /^HTTP\/1.1 200 OK/);
    t.match(peer.text, /transfer-encoding: chunked/);
    t.match(peer.text.replaceAll(/\r\n[0-9a-f]+\r\n/g, ''), /abcde/);
  });
  await t.test('gives HEAD no body', async (t) => {
    const peer = await RawPeer.connect(port);
    t.teardown(() => peer.socket.destroy());
    peer.send('HEAD /big HTTP/1.1\r\nhost: h\r\n\r\nGET /x HTTP/1.1\r\nhost: h\r\n\r\n');
    await eventually('both answers', () => peer.text.endsWith('ok\r\n0\r\n\r\n'));
    t.match(peer.text, new RegExp(`content-length: ${BIG.length}\r\n[^]*HTTP/1.1 200 OK`));
  });
  await t.test('sends interim answers on', async (t) => {
    const peer = await RawPeer.connect(port);
    t.teardown(() => peer.socket.destroy());
    peer.send('GET /hints HTTP/1.1\r\nhost: h\r\n\r\n');
    await eventually('the answer', () => peer.text.includes('200 OK'));
    t.match(peer.text, /^HTTP\/1.1 103 [^\r]*\r\nlink: <\/a>\r\n/);
  });
  await t.test('speaks WebSocket with an HTTP/1 client', async (t) => {
    const peer = await RawPeer.connect(port);
    t.teardown(() => peer.socket.destroy());
    peer.send('GET /ws HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    await eventually('the handshake', () => peer.text.includes('\r\n\r\n'));
    t.match(peer.text, /^HTTP\/1.1 101 Switching Protocols\r\n[^]*upgrade: websocket/);
    t.match(peer.text, /x-protocol: websocket/);
    peer.send('hello');
    await eventually('an echo', () => peer.text.endsWith('hello'));
  });
  await t.test('says no to a WebSocket of an HTTP/1 client', async (t) => {
    const peer = await RawPeer.connect(port);
    t.teardown(() => peer.socket.destroy());
    peer.send('GET /no HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    await eventually('the answer', () => peer.text.includes('no'));
    t.match(peer.text, /^HTTP\/1.1 403 Forbidden\r\n/);
  });
  await t.test('speaks WebSocket with an HTTP/2 client', async (t) => {
    await eventually('SETTINGS', () => session.remoteSettings.enableConnectProtocol === true);
    const stream = session.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/ws',
    });
    let text = '';
    let code = 0;
    stream.on('response', (head) => (code = Number(head[':status'])));
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    stream.write('hello');
    await eventually('an echo', () => text === 'hello');
    t.equal(code, 200);
    stream.close();
  });
  await t.test('is held back by a client that reads nothing', async (t) => {
    const slow = client(t, port);
    const stream = slow.request({ ':path': '/big' });
    stream.pause();
    await new Promise((resolve) => setTimeout(resolve, 200));
    t.ok((await proxy.stat('http2.pending_send_bytes')) < BIG.length);
    let got = 0;
    stream.on('data', (chunk: Buffer) => (got += chunk.length));
    stream.resume();
    await eventually('all of it', () => got === BIG.length);
  });
  t.end();
});

t.test('A cluster that follows its clients', async (t) => {
  const origin = await startOrigin(t);
  const proxy = await start(
    t,
    origin.port,
    speaks({
      use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: {} },
    }),
  );
  const session = client(t, proxy.port('l'));
  t.equal((await ask2(session, '/x')).body, 'ok');
  t.ok((await ask1(proxy.port('l'), '/x')).status >= 502, 'this server knows no HTTP/1');
  const stats = await proxy.stats();
  t.equal(stats.get('cluster.up.upstream_cx_http2_total'), 1);
  t.equal(stats.get('cluster.up.upstream_cx_http1_total'), 1);
});

const raw = (value: Buffer): Buffer => value;
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: raw,
  requestDeserialize: raw,
  responseSerialize: raw,
  responseDeserialize: raw,
});
const ECHO: ServiceDefinition = {
  unary: method('Unary', false, false),
  collect: method('Collect', true, false),
  count: method('Count', false, true),
  chat: method('Chat', true, true),
};

async function grpcServer(t: Tap): Promise<number> {
  const server = new Server();
  server.addService(ECHO, {
    unary: (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) => {
      if (call.request.toString() === 'fail')
        reply({ code: status.NOT_FOUND, details: 'no such thing' });
      else reply(null, call.request, new Metadata());
    },
    collect: (call: ServerReadableStream<Buffer, Buffer>, reply: sendUnaryData<Buffer>) => {
      let text = '';
      call.on('data', (part: Buffer) => (text += part.toString()));
      call.on('end', () => reply(null, Buffer.from(text)));
    },
    count: (call: ServerWritableStream<Buffer, Buffer>) => {
      for (let i = 0; i < 100; i++) call.write(Buffer.from(String(i)));
      call.end();
    },
    chat: (call: ServerDuplexStream<Buffer, Buffer>) => {
      call.on('data', (part: Buffer) => call.write(part));
      call.on('end', () => call.end());
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  t.teardown(() => server.forceShutdown());
  return port;
}

t.test('gRPC', async (t) => {
  const port = await grpcServer(t);
  const proxy = await start(t, port);
  const grpc = new Client(`127.0.0.1:${proxy.port('l')}`, credentials.createInsecure());
  t.teardown(() => grpc.close());
  const unary = (text: string): Promise<string> =>
    new Promise((resolve, reject) =>
      grpc.makeUnaryRequest('/test.Echo/Unary', raw, raw, Buffer.from(text), (error, reply) =>
        error === null ? resolve(String(reply)) : reject(error as Error),
      ),
    );
  await t.test('calls with one message and one answer', async (t) => {
    t.equal(await unary('hello'), 'hello');
    const large = 'x'.repeat(1 << 20);
    t.equal((await unary(large)).length, large.length);
    const many = await Promise.all(Array.from({ length: 200 }, (_, i) => unary(String(i))));
    t.strictSame(
      many,
      Array.from({ length: 200 }, (_, i) => String(i)),
    );
  });
  await t.test('bring their status', async (t) => {
    await t.rejects(unary('fail'), { code: status.NOT_FOUND, details: 'no such thing' });
  });
  await t.test('with many messages and one answer', async (t) => {
    const reply = await new Promise<string>((resolve, reject) => {
      const call = grpc.makeClientStreamRequest('/test.Echo/Collect', raw, raw, (error, got) =>
        error === null ? resolve(String(got)) : reject(error as Error),
      );
      for (const part of ['a', 'b', 'c']) call.write(Buffer.from(part));
      call.end();
    });
    t.equal(reply, 'abc');
  });
  await t.test('with one message and many answers', async (t) => {
    const got: string[] = [];
    for await (const part of grpc.makeServerStreamRequest(
      '/test.Echo/Count',
      raw,
      raw,
      Buffer.from(''),
    ))
      got.push(String(part));
    t.strictSame(
      got,
      Array.from({ length: 100 }, (_, i) => String(i)),
    );
  });
  await t.test('with messages both ways, each answered before the next', async (t) => {
    const call = grpc.makeBidiStreamRequest('/test.Echo/Chat', raw, raw);
    for (let i = 0; i < 20; i++) {
      const reply = new Promise<string>((resolve) =>
        call.once('data', (part: Buffer) => resolve(part.toString())),
      );
      call.write(Buffer.from(`message ${i}`));
      t.equal(await reply, `message ${i}`);
    }
    const ended = new Promise((resolve) => call.once('end', resolve));
    call.resume().end();
    await ended;
  });
  await t.test('that are cancelled end upstream', async () => {
    const call = grpc.makeBidiStreamRequest('/test.Echo/Chat', raw, raw);
    call.on('error', () => {});
    call.write(Buffer.from('x'));
    await new Promise((resolve) => call.once('data', resolve));
    call.cancel();
    await proxy.untilStat('cluster.up.upstream_rq_active', 0);
  });
  t.end();
});

t.test('nghttpd', async (t) => {
  const nghttpd = findProgram('nghttpd', process.env);
  const h2load = findProgram('h2load', process.env);
  if (nghttpd === undefined || h2load === undefined) {
    t.comment('SKIPPED: nghttpd and h2load (package nghttp2) are not installed');
    t.pass('# SKIP nghttpd and h2load are not installed');
    return;
  }
  const dir = mkdtempSync(join(tmpdir(), 'nghttpd-'));
  writeFileSync(join(dir, 'x'), 'hello');
  writeFileSync(join(dir, 'big'), BIG);
  const upstream = await freePort();
  const child = spawn(nghttpd, ['--no-tls', '-a', '127.0.0.1', '-d', dir, String(upstream)]);
  t.teardown(() => {
    child.kill();
    rmSync(dir, { recursive: true });
  });
  const proxy = await start(t, upstream);
  const port = proxy.port('l');
  await eventually('it listens', async () => (await ask1(port, '/x')).body === 'hello');
  for (const [count, args, path] of [
    [2000, ['-c4', '-m32'], '/x'],
    [30, ['-c2', '-m10'], '/big'],
    [500, ['-c4', '-m1', '--h1'], '/x'],
  ] as const) {
    await t.test(`serves ${count} requests of ${path} to h2load ${args.join(' ')}`, async (t) => {
      const load = spawn(h2load, [`-n${count}`, ...args, `http://127.0.0.1:${port}${path}`]);
      let output = '';
      load.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      await new Promise((resolve) => load.once('close', resolve));
      t.match(output, new RegExp(`${count} succeeded, 0 failed, 0 errored`));
    });
  }
  await proxy.untilStat('cluster.up.upstream_rq_active', 0);
});
