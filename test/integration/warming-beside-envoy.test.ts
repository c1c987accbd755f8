// @long @timeout 120 s
// What waits for what, and what serves meanwhile: clusters for endpoints and secrets, listeners for routes and secrets, with and without an
// end to the wait; what becomes of requests under way when clusters are replaced or go. Ours, beside Envoy where there is one.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';

import { eventually } from '../support/eventually.ts';
import {
  address,
  bootstrapOf,
  envoyBinary,
  httpListener,
  ProxyProcess,
} from '../support/proxy-process.ts';
import { RawPeer } from '../support/raw-peers.ts';
import { ScriptedControlPlane } from '../support/scripted-control-plane.ts';
import type { Json, Kind } from '../support/scripted-control-plane.ts';
import { freePort } from '../support/free-port.ts';
import { ask } from '../support/test-http.ts';
import { TestCertificate } from '../support/test-certificates.ts';
import { certificateOf, downstreamTls, upstreamTls } from '../support/tls-samples.ts';
import { adsConfig, byAds, endpointsOf, xdsCluster } from '../support/xds-bootstrap.ts';

t.setTimeout(110_000);

/** An end to a wait: long enough to be seen waiting on a busy machine. */
const SOON = '2.5s';

type Mode = 'GRPC' | 'DELTA_GRPC';

/** Says its name; echoes what is upgraded. */
async function origin(t: Test, name: string): Promise<number> {
  const server = createServer((_request, response) => response.end(name));
  server.on('upgrade', (_request, socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
    );
    socket.on('error', () => {}).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

const GAUGES = [
  'cluster_manager.warming_clusters',
  'cluster_manager.active_clusters',
  'listener_manager.total_listeners_warming',
  'listener_manager.total_listeners_active',
] as const;

class Bench {
  readonly plane: ScriptedControlPlane;
  readonly proxy: ProxyProcess;
  readonly port: number;
  /** By step: gauges, and what a request comes to. */
  readonly seen: Record<string, readonly (number | string)[]> = {};

  constructor(plane: ScriptedControlPlane, proxy: ProxyProcess, port: number) {
    this.plane = plane;
    this.proxy = proxy;
    this.port = port;
  }

  /** What a client gets. */
  async get(path = '/', port = this.port): Promise<string> {
    return ask(port, 'GET', path).then(
      ({ status, body }) => `${status} ${body}`,
      () => 'no answer',
    );
  }

  /** Asked for, so that it is known to wait. */
  async asked(kind: Kind, name: string): Promise<void> {
    const word = new RegExp(`(?:^|[ ,+])${name}(?:[ ,]|$)`);
    await eventually(`${name} is asked for`, () =>
      this.plane.said(kind).some(({ text }) => word.test(text)),
    );
  }

  async note(step: string, ...more: readonly (number | string)[]): Promise<void> {
    const stats = await this.proxy.stats();
    this.seen[step] = [...GAUGES.map((name) => stats.get(name) ?? 0), await this.get(), ...more];
  }

  /** When a gauge or an answer has changed, the rest is noted. */
  async until(step: string, condition: () => Promise<boolean>): Promise<void> {
    await eventually(step, condition);
    await this.note(step);
  }

  stat(name: string): Promise<number> {
    return this.proxy.stat(name);
  }

  /** Put, and heard. */
  async put(kind: Kind, name: string, json: Json): Promise<void> {
    for (const nonce of this.plane.put(kind, name, json))
      await eventually(`${name} is answered`, () => this.plane.answers.has(nonce));
  }
}

const cluster = (name: string, timeout: string, more: Json = {}): Json => ({
  name,
  type: 'EDS',
  connect_timeout: '1s',
  eds_cluster_config: { eds_config: byAds(timeout) },
  ...more,
});

const listener = (port: number, routes: string, timeout: string, more: Json = {}): Json => {
  const made = httpListener('web', [], {
    hcm: {
      route_config: undefined,
      rds: { route_config_name: routes, config_source: byAds(timeout) },
      upgrade_configs: [{ upgrade_type: 'websocket' }],
      access_log: [],
    },
  }) as { filter_chains: Json[] };
  return {
    ...made,
    address: address(port),
    filter_chains: [{ ...made.filter_chains[0]!, ...more }],
  };
};

const table = (name: string, body: string): Json => ({
  name,
  virtual_hosts: [
    {
      name: 'all',
      domains: ['*'],
      routes: [
        {
          match: { path: '/body' },
          direct_response: { status: 200, body: { inline_string: body } },
        },
        ...['b', 'c'].map((each) => ({ match: { path: `/${each}` }, route: { cluster: each } })),
        { match: { prefix: '/' }, route: { cluster: 'a', timeout: '0s' } },
      ],
    },
  ],
});

async function start(t: Test, mode: Mode, binary: string | undefined): Promise<Bench> {
  const plane = new ScriptedControlPlane();
  await plane.listen();
  t.teardown(() => plane.close());
  const port = await freePort();
  plane.set('clusters', 'first', {
    ...cluster('first', '0s'),
    type: 'STATIC',
    eds_cluster_config: undefined,
  });
  plane.set('listeners', 'first', {
    ...httpListener('first', [], { hcm: { access_log: [] } }),
    address: address(await freePort()),
  });
  const proxy = await ProxyProcess.start(
    t,
    {
      ...bootstrapOf([], [xdsCluster(plane.port)]),
      dynamic_resources: {
        ads_config: adsConfig(mode),
        cds_config: byAds(),
        lds_config: byAds(),
      },
    },
    binary,
  );
  return new Bench(plane, proxy, port);
}

async function clustersAndRoutes(bench: Bench, ports: readonly number[]): Promise<void> {
  const { plane, port } = bench;
  plane.put('listeners', 'web', listener(port, 'r', '0s'));
  await bench.asked('routes', 'r');
  await bench.note('a listener without end to its wait waits for its table');
  plane.put('routes', 'r', table('r', 'first'));
  await bench.until('and serves when it came', async () => (await bench.get()).startsWith('503'));

  plane.put('clusters', 'a', cluster('a', '0s'));
  await bench.asked('endpoints', 'a');
  await bench.note('a cluster without end to its wait waits for its endpoints');
  plane.put('endpoints', 'a', endpointsOf('a', ports[0]!));
  await bench.until('and serves when they came', async () => (await bench.get()) === '200 one');

  plane.put('clusters', 'b', cluster('b', SOON));
  await bench.asked('endpoints', 'b');
  await bench.note('another waits for a while', await bench.get('/b'));
  await bench.until('and goes on without', async () =>
    (await bench.get('/b')).includes('no healthy'),
  );
  bench.seen['which is counted'] = [await bench.stat('cluster.b.init_fetch_timeout')];
  plane.put('endpoints', 'b', endpointsOf('b', ports[1]!));
  await bench.until(
    'late endpoints are welcome',
    async () => (await bench.get('/b')) === '200 two',
  );

  plane.put('listeners', 'web', listener(port, 's', '0s'));
  await bench.asked('routes', 's');
  await bench.note(
    'a listener with another table waits, and the old one serves',
    await bench.get('/body'),
  );
  plane.put('routes', 's', table('s', 'second'));
  await bench.until('until it came', async () => (await bench.get('/body')) === '200 second');
  plane.put('listeners', 'web', listener(port, 't', SOON));
  await bench.asked('routes', 't');
  await bench.note('one that waits for a while', await bench.get('/body'));
  await bench.until('goes on without', async () => (await bench.get('/body')).startsWith('404'));
  plane.put('routes', 't', table('t', 'third'));
  await bench.until('until it comes', async () => (await bench.get('/body')) === '200 third');
}

/** A connection that is upgraded, through cluster `a`. */
async function webSocket(t: Test, port: number): Promise<() => Promise<string>> {
  const peer = await RawPeer.connect(port);
  t.teardown(() => peer.close());
  peer.send('GET /ws HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
  await peer.take('\r\n\r\n');
  let turn = 0;
  return async () => {
    if (peer.ending !== 'open') return 'gone';
    peer.send(`<${++turn}>`);
    await peer.take(`<${turn}>`);
    return 'echoes';
  };
}

async function clustersDrain(t: Test, bench: Bench, ports: readonly number[]): Promise<void> {
  const { plane, port } = bench;
  const live = await webSocket(t, port);
  const modified = await bench.stat('cluster_manager.cluster_modified');
  plane.put('clusters', 'a', cluster('a', '0s', { connect_timeout: '2s' }));
  plane.put('endpoints', 'a', endpointsOf('a', ports[1]!));
  await bench.until('a cluster that is replaced', async () => (await bench.get()) === '200 two');
  bench.seen['is a change'] = [
    (await bench.stat('cluster_manager.cluster_modified')) - modified,
    await live(),
  ];
  plane.remove('clusters', 'a');
  await bench.until('a cluster that is removed', async () => (await bench.get()).startsWith('503'));
  bench.seen['leaves streams under way alone'] = [
    await bench.stat('cluster_manager.cluster_removed'),
    await live(),
  ];
}

async function secrets(bench: Bench, leaf: TestCertificate): Promise<void> {
  const { plane } = bench;
  const sds = (name: string, timeout: string): Json => ({
    tls_certificate_sds_secret_configs: [{ name, sds_config: byAds(timeout) }],
  });
  const secret = (name: string): Json => ({ name, tls_certificate: certificateOf(leaf) });
  const tls = (name: string, timeout: string): Json => ({
    transport_socket: downstreamTls(sds(name, timeout)),
  });
  await bench.put('listeners', 'web', listener(bench.port, 't', '0s', tls('server', '0s')));
  await bench.asked('secrets', 'server');
  await bench.note('a listener waits for its secret');
  plane.put('secrets', 'server', secret('server'));
  await bench.until('and then speaks TLS', async () => (await bench.get()) === 'no answer');

  await bench.put('listeners', 'web', listener(bench.port, 't', '0s', tls('late', SOON)));
  await bench.asked('secrets', 'late');
  await eventually(
    'it goes on without',
    async () => (await bench.stat('listener_manager.total_listeners_warming')) === 0,
  );
  await bench.note('without a secret it closes connections');

  plane.put('clusters', 'c', {
    ...cluster('c', '0s'),
    type: 'STATIC',
    eds_cluster_config: undefined,
    load_assignment: endpointsOf('c', 1),
    transport_socket: upstreamTls(sds('client', SOON)),
  });
  await bench.asked('secrets', 'client');
  await bench.note('a cluster waits for its secret');
  await eventually(
    'it goes on without',
    async () => (await bench.stat('cluster_manager.warming_clusters')) === 0,
  );
  await bench.note('and goes on without');
}

async function observe(t: Test, mode: Mode, binary: string | undefined): Promise<Json> {
  const ports = [await origin(t, 'one'), await origin(t, 'two')];
  const bench = await start(t, mode, binary);
  await clustersAndRoutes(bench, ports);
  await clustersDrain(t, bench, ports);
  await secrets(bench, TestCertificate.root().issue({ commonName: 'h', names: [{ dns: 'h' }] }));
  return bench.seen;
}

for (const mode of ['DELTA_GRPC', 'GRPC'] as const) {
  t.test(`by ${mode}`, async (t) => {
    const ours = await observe(t, mode, undefined);
    t.match(ours, {
      'is a change': [1, 'echoes'],
      'leaves streams under way alone': [1, 'echoes'],
    });
    if (envoyBinary === undefined) {
      t.comment('SKIPPED: no Envoy to compare with');
      return;
    }
    t.same(ours, await observe(t, mode, envoyBinary), 'as Envoy');
  });
}
