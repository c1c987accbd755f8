// services.ts: ADS streams between its client and its server, over TCP and over a unix socket.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import {
  statusCode,
  type DeltaServerStream,
  type StreamStatus,
} from '../../xds-protos/ads-stream.ts';
import { decode } from '../../xds-protos/codec.ts';
import {
  AdsServer,
  connectAds,
  type AdsConnection,
  type AdsHandlers,
} from '../../xds-protos/services.ts';
import { recordingBytes } from './recordings.ts';

interface Ends {
  readonly target: string;
  readonly connection: AdsConnection;
  readonly server: AdsServer;
}

async function connected(
  t: Test,
  handlers: Partial<AdsHandlers>,
  target = '127.0.0.1:0',
): Promise<Ends> {
  const server = new AdsServer();
  server.addHandlers({ delta: () => {}, sotw: () => {}, ...handlers });
  const bound = await server.listen(target);
  const connection = connectAds(bound);
  t.teardown(() => {
    connection.close();
    server.close();
  });
  return { target: bound, connection, server };
}

function socketFolder(t: Test): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'ads-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

type Ending = { onEnd(listener: (status: StreamStatus) => void): void };
const endOf = (stream: Ending): Promise<StreamStatus> =>
  new Promise((resolve) => stream.onEnd(resolve));

t.test('ADS', async (t) => {
  t.test('carries messages both ways over TCP and over a unix socket', async (t) => {
    const response = decode(
      'envoy.service.discovery.v3.DeltaDiscoveryResponse',
      recordingBytes('01-bookinfo/productpage/01-cds.pb'),
    );
    const socketTarget = `unix:${path.join(socketFolder(t), 'XDS')}`;
    for (const target of ['127.0.0.1:0', socketTarget]) {
      const { connection, target: bound } = await connected(
        t,
        {
          delta: (stream) =>
            stream.onMessage((request) => {
              stream.send({
                ...response,
                type_url: request.type_url,
                nonce: stream.metadata.get('clusterid'),
              });
            }),
          sotw: (stream) =>
            stream.onMessage(({ resource_names: names }) => {
              stream.send({ nonce: (names ?? []).join() });
            }),
        },
        target,
      );
      t.notMatch(bound, /:0$/);
      const delta = connection.delta(new Map([['ClusterID', 'Kubernetes']]));
      const got = await new Promise((resolve) => {
        delta.onMessage(resolve);
        delta.send({ type_url: 'a/b.C' });
      });
      t.strictSame(got, { ...response, type_url: 'a/b.C', nonce: 'Kubernetes' });
      t.match(delta.metadata.get('content-type'), /grpc/);
      delta.cancel();
      const sotw = connection.sotw();
      const answer = await new Promise((resolve) => {
        sotw.onMessage(resolve);
        sotw.send({ resource_names: ['x', 'y'] });
      });
      t.strictSame(answer, { nonce: 'x,y' });
      sotw.cancel();
    }
  });

  t.test('delivers what was sent before the end, then the status, then nothing', async (t) => {
    for (const status of [
      { code: statusCode.ok, reason: 'OK' },
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
      const nonces: (string | undefined)[] = [];
      stream.onMessage(({ nonce }) => nonces.push(nonce));
      stream.send({});
      t.strictSame(await endOf(stream), status);
      t.strictSame(
        nonces,
        Array.from({ length: 50 }, (_, i) => `${i}`),
      );
      stream.cancel();
    }
  });

  t.test('tells the server when the client cancels, and the client nothing more', async (t) => {
    const opened = Promise.withResolvers<DeltaServerStream>();
    const { connection } = await connected(t, {
      delta: (stream) => {
        stream.onMessage(() => opened.resolve(stream));
      },
    });
    const stream = connection.delta();
    stream.onMessage(() => t.fail('a message after cancel'));
    stream.onEnd(() => t.fail('an end after cancel'));
    stream.send({});
    const serverStream = await opened.promise;
    t.match(serverStream.peer, /^127\.0\.0\.1:\d+$/);
    const end = endOf(serverStream);
    stream.cancel();
    const status = await end;
    // Which of the two depends on what gRPC hears first.
    t.ok([statusCode.ok, statusCode.cancelled].some((code) => code === status.code));
    serverStream.send({});
    stream.send({});
  });

  t.test('ends with UNAVAILABLE when nobody listens, and works once somebody does', async (t) => {
    const folder = socketFolder(t);
    const target = `unix:${path.join(folder, 'XDS')}`;
    const connection = connectAds(target);
    t.teardown(() => connection.close());
    const first = connection.sotw();
    first.onMessage(() => {});
    t.equal((await endOf(first)).code, statusCode.unavailable);
    await connected(t, { sotw: (stream) => stream.onMessage(() => stream.send({})) }, target);
    for (let attempt = 0; ; attempt++) {
      const stream = connection.sotw();
      const end = endOf(stream);
      const answered = new Promise<boolean>((resolve) => stream.onMessage(() => resolve(true)));
      stream.send({});
      if ((await Promise.race([answered, end])) === true) {
        stream.cancel();
        break;
      }
      if (attempt > 200) throw new Error('never connected');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    t.pass('connected');
  });

  t.test('ends every stream when the server closes', async (t) => {
    const { connection, server } = await connected(t, {
      delta: (stream) => stream.onMessage(() => stream.send({})),
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

  t.test('ends a stream whose messages do not decode', async (t) => {
    const serverEnd = Promise.withResolvers<StreamStatus>();
    const { target } = await connected(t, {
      delta: (stream) => {
        stream.onMessage(() => t.fail('a message that is none'));
        stream.onEnd(serverEnd.resolve);
      },
    });
    // A client with another idea of the message: the name of the method is what counts.
    const grpc = await import('@grpc/grpc-js');
    const client = new grpc.Client(target, grpc.credentials.createInsecure());
    t.teardown(() => client.close());
    const raw = (bytes: Buffer): Buffer => bytes;
    const call = client.makeBidiStreamRequest(
      '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
      raw,
      raw,
    );
    call.on('data', () => {});
    call.write(Buffer.from([0x12, 0x7f]));
    const error = await new Promise<{ code?: number }>((resolve) => call.on('error', resolve));
    t.equal(error.code, statusCode.internal);
    t.not((await serverEnd.promise).code, statusCode.ok);
  });

  t.test('replaces a stale socket file and rejects an address that is taken', async (t) => {
    const target = `unix:${path.join(socketFolder(t), 'XDS')}`;
    await connected(t, {}, target);
    await t.resolves(connected(t, {}, target), 'the file of a dead server does not matter');
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    t.teardown(() => other.close());
    const address = other.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    await t.rejects(new AdsServer().listen(`127.0.0.1:${port}`));
  });
});
