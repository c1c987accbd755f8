// Our gRPC client against a real gRPC server (@grpc/grpc-js) and against raw HTTP/2 servers that end badly.
import { createServer } from 'node:http2';
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import t from 'tap';
import type { Test } from 'tap';

import type { GrpcStream } from '../../../xds-protos/grpc-channel.ts';
import type { StreamStatus } from '../../../xds-protos/ads-stream.ts';
import type { Http2Channel } from '../../../proxy/grpc/http2-channel.ts';
import { withPrefix } from '../../../proxy/grpc/message-splitter.ts';
import { eventually } from '../../support/eventually.ts';
import { channelTo } from '../../support/grpc-channel-to.ts';

const PATH = '/test.Echo/Stream';

class Heard {
  readonly messages: string[] = [];
  readonly ends: StreamStatus[] = [];
  drains = 0;
  readonly stream: GrpcStream;

  constructor(channel: Http2Channel, metadata: ReadonlyMap<string, string> = new Map()) {
    this.stream = channel.open(PATH, metadata, {
      onMessage: (bytes) => this.messages.push(Buffer.from(bytes).toString()),
      onDrain: () => this.drains++,
      onEnd: (status) => this.ends.push(status),
    });
  }

  async end(): Promise<StreamStatus> {
    await eventually('the end', () => this.ends.length > 0);
    return this.ends[0]!;
  }
}

type Call = grpc.ServerDuplexStream<Buffer, Buffer>;

async function grpcServer(t: Test, onCall: (call: Call) => void): Promise<string> {
  const server = new grpc.Server();
  const same = (bytes: Buffer): Buffer => bytes;
  server.addService(
    {
      Stream: {
        path: PATH,
        requestStream: true,
        responseStream: true,
        requestSerialize: same,
        requestDeserialize: same,
        responseSerialize: same,
        responseDeserialize: same,
      },
    },
    { Stream: onCall },
  );
  t.teardown(() => server.forceShutdown());
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return `127.0.0.1:${port}`;
}

async function rawServer(
  t: Test,
  onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, server: Http2Server) => void,
): Promise<string> {
  const server = createServer();
  server.on('sessionError', () => {});
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {});
    onStream(stream, headers, server);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function open(t: Test, target: string): Http2Channel {
  const channel = channelTo(target);
  t.teardown(() => channel.close());
  return channel;
}

t.test('Http2Channel', async (t) => {
  await t.test('messages go both ways, in order, small and large', async (t) => {
    const target = await grpcServer(t, (call) => {
      call.on('data', (message: Buffer) => call.write(message));
      call.on('end', () => call.end());
    });
    const heard = new Heard(open(t, target));
    const sent = ['one', '', 'x'.repeat(3_000_000), 'last'];
    for (const text of sent) heard.stream.send(Buffer.from(text));
    heard.stream.end();
    t.equal((await heard.end()).code, 0);
    t.strictSame(
      heard.messages.map((text) => text.length),
      sent.map((text) => text.length),
    );
    t.equal(heard.messages[3], 'last');
  });

  await t.test('metadata, authority and content type arrive', async (t) => {
    let seen: IncomingHttpHeaders = {};
    const target = await rawServer(t, (stream, headers) => {
      seen = headers;
      stream.respond({ ':status': 200, 'grpc-status': '0' }, { endStream: true });
    });
    const heard = new Heard(open(t, target), new Map([['x-a', 'b']]));
    t.equal((await heard.end()).code, 0);
    t.match(seen, {
      ':method': 'POST',
      ':path': PATH,
      ':authority': 'xds-grpc',
      'content-type': 'application/grpc',
      te: 'trailers',
      'x-a': 'b',
    });
  });

  await t.test('a status with a text comes with its text', async (t) => {
    const target = await grpcServer(t, (call) =>
      call.emit('error', { code: grpc.status.PERMISSION_DENIED, details: 'no, bücher' }),
    );
    t.strictSame(await new Heard(open(t, target)).end(), { code: 7, reason: 'no, bücher' });
  });

  const ends: readonly [
    name: string,
    answer: (stream: ServerHttp2Stream) => void,
    code: number,
    reason: RegExp,
  ][] = [
    ['HTTP 503', (s) => s.respond({ ':status': 503 }, { endStream: true }), 14, /HTTP 503/],
    ['HTTP 404', (s) => s.respond({ ':status': 404 }, { endStream: true }), 12, /HTTP 404/],
    ['HTTP 418', (s) => s.respond({ ':status': 418 }, { endStream: true }), 2, /HTTP 418/],
    [
      'no status',
      (s) => {
        s.respond({ ':status': 200 });
        s.end();
      },
      2,
      /without a status/,
    ],
    [
      'half a message',
      (s) => {
        s.respond({ ':status': 200 }, { waitForTrailers: true });
        s.on('wantTrailers', () => s.sendTrailers({ 'grpc-status': '0' }));
        s.end(withPrefix(Buffer.from('abc')).subarray(0, 6));
      },
      13,
      /within a message/,
    ],
    [
      'a compressed message',
      (s) => {
        s.respond({ ':status': 200 });
        s.write(Buffer.from([1, 0, 0, 0, 0]));
      },
      8,
      /compressed/,
    ],
    ['RST_STREAM', (s) => s.close(2), 13, /reset/],
    ['a connection that breaks', (s) => s.session?.destroy(), 14, /connection/],
  ];
  for (const [name, answer, code, reason] of ends) {
    await t.test(`${name} is status ${code}`, async (t) => {
      const target = await rawServer(t, (stream) => answer(stream));
      const status = await new Heard(open(t, target)).end();
      t.equal(status.code, code);
      t.match(status.reason, reason);
    });
  }

  await t.test(
    'a refused connection is UNAVAILABLE, and the next stream dials again',
    async (t) => {
      const probe = await rawServer(t, () => {});
      const closedPort = Number(probe.split(':')[1]) === 1 ? 2 : 1;
      const channel = open(t, `127.0.0.1:${closedPort}`);
      for (let i = 0; i < 2; i++) {
        const status = await new Heard(channel).end();
        t.equal(status.code, 14);
        t.match(status.reason, /Connection refused/);
      }
    },
  );

  await t.test(
    'after GOAWAY a new stream gets a new connection, the old one is served',
    async (t) => {
      const sessions = new Set<unknown>();
      const streams: ServerHttp2Stream[] = [];
      const target = await rawServer(t, (stream) => {
        sessions.add(stream.session);
        streams.push(stream);
        stream.respond({ ':status': 200 });
        if (streams.length === 1) stream.session?.goaway(0, stream.id);
      });
      const channel = open(t, target);
      const first = new Heard(channel);
      await eventually('the first stream', () => streams.length === 1);
      await new Promise((resolve) => setTimeout(resolve, 50));
      const second = new Heard(channel);
      await eventually('the second stream', () => streams.length === 2);
      t.equal(sessions.size, 2);
      for (const stream of streams) stream.write(withPrefix(Buffer.from('still')));
      await eventually(
        'both are served',
        () => first.messages.length + second.messages.length === 2,
      );
      t.strictSame([first.ends, second.ends], [[], []]);
      first.stream.cancel();
      second.stream.cancel();
    },
  );

  await t.test('a server that does not read says stop, and later go on', async (t) => {
    let resume = (): void => {};
    const target = await rawServer(t, (stream) => {
      stream.pause();
      resume = () => stream.resume();
      stream.respond({ ':status': 200 });
    });
    const heard = new Heard(open(t, target));
    await eventually('the stream', () => {
      heard.stream.send(Buffer.alloc(1));
      return true;
    });
    let takes = true;
    for (let i = 0; i < 200 && takes; i++) {
      takes = heard.stream.send(Buffer.alloc(64 * 1024));
      await new Promise((resolve) => setImmediate(resolve));
    }
    t.equal(takes, false);
    resume();
    await eventually('it goes on', () => heard.drains > 0);
    heard.stream.cancel();
  });

  await t.test('a cancelled stream hears nothing, and the server learns of it', async (t) => {
    let cancelled = false;
    const target = await grpcServer(t, (call) => {
      call.write(Buffer.from('a'));
      call.on('cancelled', () => (cancelled = true));
    });
    const heard = new Heard(open(t, target));
    await eventually('a message', () => heard.messages.length === 1);
    heard.stream.cancel();
    await eventually('the server knows', () => cancelled);
    t.strictSame(heard.ends, []);
  });
});
