// @long
// A worker through updates in place: what was compiled for an old version is gone with the last request that began under it.
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import v8 from 'node:v8';
import t from 'tap';
import type { Test } from 'tap';

import { realTime } from '../../../proxy/base/clock.ts';
import { RequestMutator } from '../../../proxy/http/conn-manager-utility.ts';
import { TcpRoutes } from '../../../proxy/filters/network/tcp-route.ts';
import { ConfigPublisher } from '../../../proxy/server/config-publisher.ts';
import { WorkerRuntime } from '../../../proxy/server/worker-runtime.ts';
import { decodeListener } from '../../../proxy/xds/listener-decoder.ts';
import { fromJson } from '../../../xds-protos/proto-json.ts';
import {
  sampleCluster,
  sampleEndpoint,
  sampleEndpoints,
  sampleLocality,
} from '../../support/config-samples.ts';
import { eventually } from '../../support/eventually.ts';
import { httpListener, tcpListener, toCluster } from '../../support/proxy-process.ts';
import { RawPeer } from '../../support/raw-peers.ts';

type Json = { readonly [key: string]: unknown };

const LISTENER = 'envoy.config.listener.v3.Listener';
const UPDATES = 20;

/** Objects of a class that are alive: one for each version that is compiled. */
const alive = (made: abstract new (...args: never[]) => unknown): number =>
  Number(v8.queryObjects(made as never, { format: 'count' }));

/** Takes requests and never answers. */
async function silentOrigin(t: Test): Promise<{ port: number; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => {}).resume());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, sockets };
}

function startWorker(t: Test) {
  const ports = new Map<string, number>();
  const publisher = new ConfigPublisher(
    realTime,
    ({ update, slots, bucketPlaces }) =>
      runtime.handle(structuredClone({ kind: 'config', update, slots, bucketPlaces })),
    1,
  );
  const runtime = new WorkerRuntime(
    {
      workerIndex: 0,
      concurrency: 1,
      logLevel: 'off',
      componentLogLevels: [],
      node: { id: 'n', cluster: 'c', locality: undefined } as never,
      localAddress: '127.0.0.1',
      runtime: new Map(),
      localClusterName: '',
      maxDownstreamConnections: undefined,
      guardReplays: false,
      replayStale: false,
      fileFlushIntervalMs: 1000,
      fileFlushMinSizeKb: 64,
      hostname: 'h',
      environment: new Map(),
      drainStrategy: 'immediate',
      drainTimeMs: 600_000,
      early: undefined,
      ...publisher.sharedBuffers,
      ticketSecret: new Uint8Array(32),
    },
    realTime,
    (message) => {
      if (message.kind === 'listener_bound' && message.address.kind === 'ip')
        ports.set(message.name, message.address.port);
    },
  );
  t.teardown(() => {
    publisher.close();
    runtime.handle({ kind: 'shutdown' });
  });
  const put = (json: object): void => {
    const config = decodeListener(fromJson(LISTENER, json), '');
    publisher.publishListener({
      ...config,
      address: { kind: 'ip', address: '127.0.0.1', port: 0 },
    });
    publisher.flush();
  };
  return { publisher, put, port: (name: string) => ports.get(name)! };
}

t.test('A worker', async (t) => {
  const origin = await silentOrigin(t);
  const { publisher, put, port } = startWorker(t);
  publisher.publishCluster(sampleCluster('up', { type: 'STATIC' }));
  const endpoints = [sampleEndpoint('127.0.0.1', origin.port)];
  publisher.publishEndpoints({
    ...sampleEndpoints('up', []),
    localities: [sampleLocality(endpoints)],
  });
  const web = (via: string): Json =>
    httpListener('web', [toCluster('up', { timeout: '0s' })], { hcm: { via, access_log: [] } });
  const tcp = (prefix: string): Json =>
    tcpListener('tcp', 'up', { stat_prefix: prefix, access_log: [] });
  const chainsOf = (json: Json): readonly Json[] => json['filter_chains'] as readonly Json[];
  const connected = async (name: string): Promise<RawPeer> => {
    const peer = await RawPeer.connect(port(name));
    t.teardown(() => peer.close());
    return peer;
  };

  await t.test('holds no settings for connections that are idle', async (t) => {
    put(web('first'));
    const idle = await connected('web');
    idle.send('GET / HTTP/1.0\r\n\r\n');
    await idle.take('426');
    const kept = await connected('web');
    kept.send('GET');
    await eventually('a chain is compiled', () => alive(RequestMutator) === 1);
    for (let i = 0; i < UPDATES; i++) put(web(`v${i}`));
    t.ok(alive(RequestMutator) <= 2, 'the newest, and the one under which a head has begun');
    kept.close();
    await eventually('only the newest is left', () => alive(RequestMutator) <= 1);
  });

  await t.test('holds those of requests under way, until they end', async (t) => {
    const peers: RawPeer[] = [];
    for (let i = 0; i < 5; i++) {
      put(web(`under way ${i}`));
      const peer = await connected('web');
      peer.send('GET / HTTP/1.1\r\nhost: h\r\n\r\n');
      await eventually('it is at the origin', () => origin.sockets.length > i);
      peers.push(peer);
    }
    for (let i = 0; i < UPDATES; i++) put(web(`later ${i}`));
    const held = alive(RequestMutator);
    t.ok(held >= 5 && held <= 6, `${held} of ${UPDATES + 5}`);
    for (const peer of peers) peer.close();
    await eventually('only the newest is left', () => alive(RequestMutator) <= 1);
  });

  await t.test('holds those of tunnels, until they end', async (t) => {
    put(tcp('first'));
    const tunnel = await connected('tcp');
    const before = origin.sockets.length;
    tunnel.send('hello');
    await eventually('it is at the origin', () => origin.sockets.length > before);
    for (let i = 0; i < UPDATES; i++) put(tcp(`v${i}`));
    const next = await connected('tcp');
    next.send('hello');
    await eventually('it is at the origin', () => origin.sockets.length > before + 1);
    t.ok(alive(TcpRoutes) <= 2, `${alive(TcpRoutes)}`);
    tunnel.close();
    next.close();
    await eventually('only the newest is left', () => alive(TcpRoutes) <= 1);
  });

  await t.test('lets go of a chain that drains, with its last connection', async (t) => {
    const other = {
      ...chainsOf(tcp('b'))[0],
      filter_chain_match: { destination_port: 1 },
    };
    put({ ...web('a'), name: 'two', filter_chains: [...chainsOf(web('a')), other] });
    const peer = await connected('two');
    peer.send('GET');
    const held = alive(RequestMutator);
    put({ ...web('a'), name: 'two', filter_chains: [other] });
    t.equal(alive(RequestMutator), held, 'its connection drains');
    peer.close();
    await eventually('it is gone', () => alive(RequestMutator) < held);
  });
});
