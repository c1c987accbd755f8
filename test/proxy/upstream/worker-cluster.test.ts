// [w] WorkerCluster with real upstreams: which connections go when hosts fail, leave or change.
import t from 'tap';

import { realTime } from '../../../proxy/base/clock.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { Runtime } from '../../../proxy/base/runtime.ts';
import type { ClusterConfig } from '../../../proxy/config/cluster-config.ts';
import type { EndpointConfig } from '../../../proxy/config/endpoint-config.ts';
import { RequestHeaders } from '../../../proxy/http/header-map.ts';
import type { RequestEncoder } from '../../../proxy/http/codec.ts';
import type { Connection } from '../../../proxy/network/connection.ts';
import { IoThread } from '../../../proxy/network/io-thread.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { HealthFlag } from '../../../proxy/upstream/host-health.ts';
import { BreakerCounts, INTS_PER_SLOT } from '../../../proxy/upstream/resource-manager.ts';
import { WorkerClusterManager } from '../../../proxy/upstream/worker-cluster-manager.ts';
import type { WorkerCluster } from '../../../proxy/upstream/worker-cluster.ts';
import { sampleCluster, sampleEndpoint, sampleLocality } from '../../support/config-samples.ts';
import { eventually } from '../../support/eventually.ts';
import { RawUpstream, answerEach } from '../../support/raw-peers.ts';
import type { Teardowns } from '../../support/private-dir.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const CLIENT = { protocol: 'HTTP/1.1', connection: { connectionId: 1 } };

class Setup {
  readonly manager: WorkerClusterManager;
  readonly cluster: WorkerCluster;
  readonly endpoint: EndpointConfig;

  constructor(port: number, changes: Partial<ClusterConfig>) {
    this.manager = new WorkerClusterManager({
      io: new IoThread(realTime),
      random: new SeededRandom(1),
      store: new StatsStore(),
      counts: new BreakerCounts(new SharedArrayBuffer(INTS_PER_SLOT * 4), 0, 1),
      runtime: Runtime.EMPTY,
      localClusterName: '',
      localKey: null,
    });
    this.endpoint = sampleEndpoint('127.0.0.1', port);
    const localities = [sampleLocality([this.endpoint])];
    this.manager.upsert(sampleCluster('c', { type: 'EDS', localities, ...changes }), 0);
    this.cluster = this.manager.get('c')!;
    this.assign([this.endpoint]);
  }

  assign(endpoints: readonly EndpointConfig[]): void {
    this.manager.updateEndpoints({
      clusterName: 'c',
      version: '',
      localities: [sampleLocality([...endpoints])],
      overprovisioningPercent: 140,
    });
  }

  /** Resolves with the answer. */
  request(): Promise<number> {
    const host = this.cluster.chooseHost(null)!;
    return new Promise((resolve, reject) => {
      const pool = this.cluster.httpPool(host, 'DEFAULT', CLIENT)!;
      const headers = new RequestHeaders();
      headers.method = 'GET';
      headers.path = '/';
      headers.authority = 'h';
      pool.newStream(
        {
          decode1xxHeaders: () => {},
          decodeHeaders: (answer) => resolve(answer.status),
          decodeData: () => {},
          decodeTrailers: () => {},
        },
        {
          onPoolReady: (encoder: RequestEncoder) => encoder.encodeHeaders(headers, true),
          onPoolFailure: (reason) => reject(new Error(reason)),
        },
      );
    });
  }

  tcp(): Promise<Connection> {
    const host = this.cluster.chooseHost(null)!;
    return new Promise((resolve, reject) => {
      this.cluster.tcpPool(host, 'DEFAULT').newConnection({
        onPoolReady: resolve,
        onPoolFailure: (reason) => reject(new Error(reason)),
      });
    });
  }

  fail(): void {
    const [host] = this.cluster.hosts();
    host!.setCheckFlags(HealthFlag.FailedActiveCheck, 0);
    this.cluster.onHostHealthChanged([host!]);
  }

  get active(): number {
    const { stats } = this.cluster;
    return stats.store.value(stats.upstreamCxActive);
  }
}

async function setUp(
  t: Teardowns,
  changes: Partial<ClusterConfig> = {},
): Promise<[Setup, RawUpstream]> {
  const upstream = await RawUpstream.start(t, answerEach(OK));
  const it = new Setup(upstream.port, changes);
  t.teardown(() => it.manager.remove('c'));
  return [it, upstream];
}

t.test('WorkerCluster', async (t) => {
  const rows: readonly (readonly [
    name: string,
    change: (it: Setup) => void,
    drained: boolean,
    config?: Partial<ClusterConfig>,
  ])[] = [
    ['a host that fails its check', (it) => it.fail(), true],
    ['a host that leaves', (it) => it.assign([sampleEndpoint('127.0.0.1', 1)]), true],
    ['the same endpoints again', (it) => it.assign([it.endpoint]), false],
    [
      'another endpoint beside it',
      (it) => it.assign([it.endpoint, sampleEndpoint('127.0.0.1', 1)]),
      false,
    ],
    [
      'another endpoint beside it, close_connections_on_host_set_change',
      (it) => it.assign([it.endpoint, sampleEndpoint('127.0.0.1', 1)]),
      true,
      { drainOnHostSetChange: true },
    ],
    [
      'the same endpoints again, close_connections_on_host_set_change',
      (it) => it.assign([it.endpoint]),
      false,
      { drainOnHostSetChange: true },
    ],
    [
      'labels that choose another transport socket',
      (it) => it.assign([{ ...it.endpoint, transportSocketMatch: new Map([['a', '1']]) }]),
      true,
      {
        transportSocketMatches: [
          { name: 'm', match: new Map([['a', '1']]), transportSocket: { kind: 'raw_buffer' } },
        ],
      },
    ],
    [
      'labels where nothing is chosen by them',
      (it) => it.assign([{ ...it.endpoint, transportSocketMatch: new Map([['a', '1']]) }]),
      false,
    ],
    [
      'other settings',
      (it) => it.manager.upsert(sampleCluster('c', { type: 'EDS', connectTimeoutMs: 1 }), 0),
      true,
    ],
    [
      'the same settings',
      (it) => it.manager.upsert({ ...it.cluster.config, version: 'v9' }, 0),
      false,
    ],
  ];
  for (const [name, change, drained, config] of rows) {
    await t.test(`${drained ? 'closes' : 'keeps'} idle connections: ${name}`, async (t) => {
      const [it] = await setUp(t, config);
      t.equal(await it.request(), 200);
      t.equal(it.active, 1);
      change(it);
      await new Promise((resolve) => setImmediate(resolve));
      t.equal(it.active, drained ? 0 : 1);
    });
  }

  for (const closes of [true, false]) {
    await t.test(`TCP connections to a host that fails ${closes ? 'end' : 'stay'}`, async (t) => {
      const [it] = await setUp(t, { closeConnectionsOnHostFailure: closes });
      const connection = await it.tcp();
      t.teardown(() => connection.close('no_flush'));
      it.fail();
      t.equal(connection.open, !closes);
    });
  }

  await t.test('a failing host drains once, not at every further check', async (t) => {
    const [it, upstream] = await setUp(t);
    await it.request();
    it.fail();
    await eventually('closed', () => it.active === 0);
    // Nobody else is there: the panic threshold gives it requests all the same.
    await it.request();
    it.fail();
    t.equal(it.active, 1);
    t.equal(upstream.connections.length, 2);
  });
});
