// Our gRPC server against a real gRPC client (@grpc/grpc-js) and against raw HTTP/2 clients that break the rules.
import { once } from 'node:events';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:http2';
import type { ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import t from 'tap';
import type { Test } from 'tap';

import { realTime } from '../../../proxy/base/clock.ts';
import { GrpcServer } from '../../../proxy/grpc/grpc-server.ts';
import { GrpcThread } from '../../../proxy/grpc/grpc-thread.ts';
import { withPrefix } from '../../../proxy/grpc/message-splitter.ts';
import type { StreamStatus } from '../../../xds-protos/ads-stream.ts';
import type { GrpcCall, GrpcMethod } from '../../../xds-protos/grpc-channel.ts';
import { eventually } from '../../support/eventually.ts';
import { privateDir } from '../../support/private-dir.ts';

const PATH = '/test.Echo/Stream';
const MAX_MESSAGE_BYTES = 4_000_000;

interface Served {
  readonly server: GrpcServer;
  readonly socket: string;
  readonly target: string;
  /** What calls ended with, as the method heard of it. */
  readonly ends: StreamStatus[];
  readonly drains: { count: number };
}

type OnMessage = (call: GrpcCall, text: string) => void;

function serve(t: Test, onMessage: OnMessage = () => {}, socket?: string): Served {
  const path = socket ?? join(privateDir(t), 'socket');
  const ends: StreamStatus[] = [];
  const drains = { count: 0 };
  const method: GrpcMethod = (call) => ({
    onMessage: (bytes) => onMessage(call, Buffer.from(bytes).toString()),
    onDrain: () => drains.count++,
    onEnd: (status) => ends.push(status),
  });
  const options = { methods: new Map([[PATH, method]]), maxMessageBytes: MAX_MESSAGE_BYTES };
  const server = new GrpcServer(new GrpcThread(realTime), options);
  server.listen(path);
  t.teardown(() => server.close());
  return { server, socket: path, target: `unix:${path}`, ends, drains };
}

type Call = grpc.ClientDuplexStream<Buffer, Buffer>;

function openCall(t: Test, { target }: Served, path = PATH, metadata = new grpc.Metadata()): Call {
  const client = new grpc.Client(target, grpc.credentials.createInsecure());
  const same = (bytes: Buffer): Buffer => bytes;
  const call = client.makeBidiStreamRequest(path, same, same, metadata);
  call.on('error', () => {});
  t.teardown(() => {
    call.cancel();
    client.close();
  });
  return call;
}

function statusOf(call: Call): Promise<StreamStatus> {
  call.resume();
  return new Promise((resolve) =>
    call.on('status', ({ code, details }) => resolve({ code, reason: details })),
  );
}

interface RawAnswer {
  readonly head: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
}

/** One raw request, with this body; not ended where `open`. */
function rawStream(
  t: Test,
  { socket }: Served,
  headers: OutgoingHttpHeaders = {},
): ClientHttp2Stream {
  const session = connect('http://localhost', { createConnection: () => createConnection(socket) });
  session.on('error', () => {});
  t.teardown(() => session.destroy());
  const stream = session.request({
    ':method': 'POST',
    ':path': PATH,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  stream.on('error', () => {});
  return stream;
}

async function rawAnswer(stream: ClientHttp2Stream): Promise<RawAnswer> {
  let trailers: IncomingHttpHeaders = {};
  stream.on('trailers', (lines: IncomingHttpHeaders) => (trailers = lines));
  const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  stream.resume();
  if (!stream.closed) await once(stream, 'close');
  return { head, trailers };
}

t.test('messages go both ways, in order, small and large', async (t) => {
  const served = serve(t, (call, text) => void call.send(Buffer.from(text)));
  const call = openCall(t, served);
  const got: string[] = [];
  call.on('data', (bytes: Buffer) => got.push(bytes.toString()));
  const sent = ['one', '', 'x'.repeat(3_000_000), 'last'];
  for (const text of sent) call.write(Buffer.from(text));
  await eventually('all came back', () => got.length === sent.length);
  t.strictSame(got, sent);
  const status = statusOf(call);
  call.end();
  t.equal((await status).code, 0, 'who ends his side is answered with OK');
  t.match(served.ends, [{ code: 0 }]);
});

t.test('the method sees the headers, and is not asked before they are whole', async (t) => {
  const seen: ReadonlyMap<string, string>[] = [];
  const served = serve(t, (call) => {
    seen.push(call.metadata);
    call.finish({ code: 0, reason: '' });
  });
  const metadata = new grpc.Metadata();
  metadata.set('ClusterID', 'Kubernetes');
  const call = openCall(t, served, PATH, metadata);
  call.write(Buffer.from('x'));
  t.equal((await statusOf(call)).code, 0);
  t.equal(seen[0]?.get('clusterid'), 'Kubernetes');
  t.strictSame(served.ends, [], 'who ends a call himself is not told');
});

t.test('a call ends with what it was ended with, after what was sent before', async (t) => {
  const rows: readonly StreamStatus[] = [
    { code: 0, reason: '' },
    { code: 14, reason: 'going away' },
    { code: 7, reason: 'no, bücher 100 %\n' },
  ];
  for (const [count, status] of [...rows.entries()]) {
    const served = serve(t, (call) => {
      for (let i = 0; i < count; i++) call.send(Buffer.from(String(i)));
      call.finish(status);
      call.finish({ code: 2, reason: 'late' });
      t.equal(call.send(Buffer.from('late')), true);
    });
    const call = openCall(t, served);
    const got: string[] = [];
    call.on('data', (bytes: Buffer) => got.push(bytes.toString()));
    call.write(Buffer.from('x'));
    const { code, reason } = await statusOf(call);
    t.strictSame(
      { code, reason: code === 0 ? '' : reason },
      status,
      `${count} messages before the end`,
    );
    t.equal(got.length, count);
  }
});

t.test('a client that cancels, or goes, is told of once', async (t) => {
  const served = serve(t, (call, text) => void call.send(Buffer.from(text)));
  const leave: readonly ((stream: ClientHttp2Stream) => void)[] = [
    (stream) => stream.close(8),
    (stream) => stream.session?.destroy(),
  ];
  for (const [index, go] of leave.entries()) {
    const stream = rawStream(t, served);
    stream.write(withPrefix(Buffer.from('x')));
    await once(stream, 'data');
    go(stream);
    await eventually('the end', () => served.ends.length > index);
  }
  // Node ends its side before it resets a stream.
  t.match(served.ends, [
    { reason: /the client (?:went away|ended the stream)/ },
    { code: 1, reason: /went away/ },
  ]);
});

t.test('what is no call of ours is refused', async (t) => {
  const served = serve(t);
  const { code, reason } = await statusOf(openCall(t, served, '/test.Echo/Other'));
  t.strictSame([code, reason], [12, 'the server does not implement /test.Echo/Other']);
  const rows: readonly (readonly [string, OutgoingHttpHeaders, object])[] = [
    ['another type', { 'content-type': 'text/plain' }, { ':status': 415 }],
    ['a type that begins alike', { 'content-type': 'application/grpc-web' }, { ':status': 415 }],
    ['a GET', { ':method': 'GET' }, { ':status': 200, 'grpc-status': '12' }],
  ];
  for (const [name, headers, head] of rows)
    t.match((await rawAnswer(rawStream(t, served, headers))).head, head, name);
  t.strictSame(served.ends, []);
});

t.test('a body that is no gRPC ends its call, on both sides', async (t) => {
  const rows: readonly (readonly [string, Buffer, boolean, string, RegExp])[] = [
    ['a compressed message', Buffer.of(1, 0, 0, 0, 0), false, '8', /compressed/],
    ['a message too large', Buffer.of(0, 0x7f, 0, 0, 0), false, '8', /at most 4000000/],
    ['half a message', withPrefix(Buffer.from('abc')).subarray(0, 6), true, '13', /within/],
  ];
  for (const [name, body, ended, code, reason] of rows) {
    const served = serve(t, () => t.fail(`${name} is none`));
    const stream = rawStream(t, served);
    if (ended) stream.end(body);
    else stream.write(body);
    const { head } = await rawAnswer(stream);
    t.match(head, { ':status': 200, 'grpc-status': code }, name);
    t.match(decodeURIComponent(String(head['grpc-message'])), reason);
    t.match(served.ends, [{ code: Number(code), reason }]);
  }
});

t.test('a client that does not read says stop, and later go on', async (t) => {
  let answered: GrpcCall | undefined;
  const served = serve(t, (call) => (answered = call));
  const stream = rawStream(t, served);
  stream.pause();
  stream.write(withPrefix(Buffer.from('x')));
  await eventually('the call', () => answered !== undefined);
  let takes = true;
  for (let i = 0; i < 400 && takes; i++) {
    takes = answered!.send(Buffer.alloc(64 * 1024));
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.equal(takes, false);
  stream.resume();
  await eventually('it goes on', () => served.drains.count > 0);
});

t.test('bytes that are no HTTP/2 cost their connection alone', async (t) => {
  const served = serve(t, (call, text) => void call.send(Buffer.from(text)));
  const call = openCall(t, served);
  call.write(Buffer.from('a'));
  await once(call, 'data');
  const socket = createConnection(served.socket);
  socket.on('error', () => {});
  socket.resume();
  socket.write('GET / HTTP/1.1\r\n\r\n');
  await once(socket, 'close');
  call.write(Buffer.from('b'));
  await once(call, 'data');
  t.strictSame(served.ends, []);
});

t.test('close() ends every stream, and nobody is served any more', async (t) => {
  const served = serve(t, (call, text) => void call.send(Buffer.from(text)));
  const call = openCall(t, served);
  call.write(Buffer.from('x'));
  await once(call, 'data');
  const status = statusOf(call);
  served.server.close();
  t.not((await status).code, 0);
  t.match(served.ends, [{ code: 1 }]);
  const socket = createConnection(served.socket);
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  t.ok(['ENOENT', 'ECONNREFUSED'].includes(error.code ?? ''), String(error.code));
});

t.test('the socket is its owner’s alone, and takes the place of a dead one', async (t) => {
  const socket = join(privateDir(t), 'socket');
  writeFileSync(socket, '');
  const served = serve(t, (call, text) => void call.send(Buffer.from(text)), socket);
  t.equal(statSync(socket).mode & 0o777, 0o600);
  const call = openCall(t, served);
  call.write(Buffer.from('x'));
  await once(call, 'data');
  t.throws(() => serve(t, undefined, join(socket, 'below')), /cannot bind/);
});

t.test('connections beyond a bound are closed at once', async (t) => {
  const served = serve(t);
  const sockets: Socket[] = [];
  const closed = new Set<Socket>();
  for (let i = 0; i < 66; i++) {
    const socket = createConnection(served.socket);
    sockets.push(socket);
    t.teardown(() => socket.destroy());
    socket.on('error', () => {});
    socket.on('close', () => closed.add(socket));
    socket.resume();
    await once(socket, 'connect');
  }
  await eventually('two are closed', () => closed.size === 2);
  t.strictSame([...closed], sockets.slice(-2));
  t.ok(existsSync(served.socket));
});
