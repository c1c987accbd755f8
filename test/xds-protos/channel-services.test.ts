// ADS and SDS over our own gRPC, both ends: the same as services.test.ts asks of the library.
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';

import { realTime } from '../../proxy/base/clock.ts';
import { GrpcServer } from '../../proxy/grpc/grpc-server.ts';
import { GrpcThread } from '../../proxy/grpc/grpc-thread.ts';
import { openChannel } from '../../proxy/grpc/open-channel.ts';
import { statusCode } from '../../xds-protos/ads-stream.ts';
import type { DeltaServerStream, StreamStatus } from '../../xds-protos/ads-stream.ts';
import { adsConnection, adsMethods } from '../../xds-protos/channel-services.ts';
import { decode } from '../../xds-protos/codec.ts';
import type { GrpcChannel, GrpcMethod } from '../../xds-protos/grpc-channel.ts';
import type { AdsConnection, AdsHandlers } from '../../xds-protos/services.ts';
import { eventually } from '../support/eventually.ts';
import { privateDir } from '../support/private-dir.ts';
import { recordingBytes } from './recordings.ts';

const maxMessageBytes = 1_000_000;

interface Ends {
  readonly channel: GrpcChannel;
  readonly connection: AdsConnection;
  readonly server: GrpcServer;
}

async function connectTo(t: Test, methods: ReadonlyMap<string, GrpcMethod>): Promise<Ends> {
  const thread = new GrpcThread(realTime);
  const path = join(privateDir(t), 'socket');
  const server = new GrpcServer(thread, { methods, maxMessageBytes });
  server.listen(path);
  const channel = openChannel(thread, {
    target: `unix:${path}`,
    tls: undefined,
    maxMessageBytes,
  });
  t.teardown(() => {
    channel.close();
    server.close();
  });
  return { channel, server, connection: adsConnection(channel) };
}

const connected = (t: Test, handlers: Partial<AdsHandlers>): Promise<Ends> =>
  connectTo(t, adsMethods({ delta: () => {}, sotw: () => {}, ...handlers }));

type Ending = { onEnd(listener: (status: StreamStatus) => void): void };
const endOf = (stream: Ending): Promise<StreamStatus> =>
  new Promise((resolve) => stream.onEnd(resolve));

t.test('messages of both forms go both ways', async (t) => {
  const response = decode(
    'envoy.service.discovery.v3.DeltaDiscoveryResponse',
    recordingBytes('01-bookinfo/productpage/01-cds.pb'),
  );
  const { connection } = await connected(t, {
    delta: (stream) =>
      stream.onMessage((request) => {
        const nonce = stream.metadata.get('clusterid');
        stream.send({ ...response, type_url: request.type_url, nonce });
      }),
    sotw: (stream) =>
      stream.onMessage(({ resource_names: names }) => {
        stream.send({ nonce: (names ?? []).join() });
      }),
  });
  const delta = connection.delta(new Map([['clusterid', 'Kubernetes']]));
  const got = await new Promise((resolve) => {
    delta.onMessage(resolve);
    delta.send({ type_url: 'a/b.C' });
  });
  t.strictSame(got, { ...response, type_url: 'a/b.C', nonce: 'Kubernetes' });
  const sotw = connection.sotw();
  const answer = await new Promise((resolve) => {
    sotw.onMessage(resolve);
    sotw.send({ resource_names: ['x', 'y'] });
  });
  t.strictSame(answer, { nonce: 'x,y' });
});

t.test('secrets have methods of their own', async (t) => {
  const sotw: AdsHandlers['sotw'] = (stream) =>
    stream.onMessage(() => void stream.send({ nonce: 's' }));
  const { channel, connection } = await connectTo(
    t,
    adsMethods({ delta: () => {}, sotw }, 'secrets'),
  );
  const stream = adsConnection(channel, 'secrets').sotw();
  const answer = await new Promise((resolve) => {
    stream.onMessage(resolve);
    stream.send({});
  });
  t.strictSame(answer, { nonce: 's' });
  t.match(await endOf(connection.sotw()), { code: 12 });
});

t.test('a stream ends with its status, after what was sent, and then hears nothing', async (t) => {
  for (const status of [
    { code: statusCode.ok, reason: '' },
    { code: statusCode.unavailable, reason: 'going away' },
  ]) {
    const { connection } = await connected(t, {
      delta: (stream) =>
        stream.onMessage(() => {
          for (let i = 0; i < 50; i++) stream.send({ nonce: `${i}` });
          stream.end(status);
          stream.end();
          t.equal(stream.send({ nonce: 'late' }), true);
        }),
    });
    const stream = connection.delta();
    let messages = 0;
    stream.onMessage(() => messages++);
    stream.send({});
    t.strictSame(await endOf(stream), status);
    t.equal(messages, 50);
    stream.cancel();
  }
});

t.test('who cancels hears nothing more, and the server hears of it', async (t) => {
  const opened = Promise.withResolvers<DeltaServerStream>();
  const { connection } = await connected(t, {
    delta: (stream) => stream.onMessage(() => opened.resolve(stream)),
  });
  const stream = connection.delta();
  stream.onMessage(() => t.fail('a message after cancel'));
  stream.onEnd(() => t.fail('an end after cancel'));
  stream.send({});
  const serverStream = await opened.promise;
  t.equal(serverStream.peer, 'unknown');
  const end = endOf(serverStream);
  stream.cancel();
  t.equal((await end).code, statusCode.cancelled);
  serverStream.send({});
  stream.send({});
});

t.test('a message that is none ends its stream on both sides', async (t) => {
  const ends: StreamStatus[] = [];
  const NONSENSE = Buffer.from([0x12, 0x7f]);
  const methods = adsMethods({
    delta: (stream) => {
      stream.onMessage(() => t.fail('a message that is none'));
      stream.onEnd((status) => ends.push(status));
    },
    sotw: () => {},
  });
  const { channel } = await connectTo(t, methods);
  const status = await new Promise<StreamStatus>((resolve) => {
    const [path = ''] = [...methods.keys()].filter((name) => name.includes('Delta'));
    const stream = channel.open(path, new Map(), {
      onMessage: () => {},
      onDrain: () => {},
      onEnd: resolve,
    });
    stream.send(NONSENSE);
  });
  t.equal(status.code, statusCode.internal);
  await eventually('the server’s side', () => ends.length > 0);
  t.match(ends, [{ code: statusCode.internal }]);

  const answering = new Map<string, GrpcMethod>(
    [...methods.keys()].map((path) => [
      path,
      (call) => ({
        onMessage: () => void call.send(NONSENSE),
        onDrain: () => {},
        onEnd: (end) => ends.push(end),
      }),
    ]),
  );
  const { connection } = await connectTo(t, answering);
  const stream = connection.delta();
  stream.onMessage(() => t.fail('a message that is none'));
  stream.send({});
  t.equal((await endOf(stream)).code, statusCode.internal);
  await eventually('the server’s side', () => ends.length > 1);
});

t.test('a server that closes ends every stream', async (t) => {
  const { connection, server } = await connected(t, {
    delta: (stream) => stream.onMessage(() => void stream.send({})),
  });
  const stream = connection.delta();
  await new Promise<void>((resolve) => {
    stream.onMessage(() => resolve());
    stream.send({});
  });
  const end = endOf(stream);
  server.close();
  t.not((await end).code, statusCode.ok);
});
