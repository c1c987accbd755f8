// The client as a whole: back-off and time-outs by hand-driven time, recordings of istiod over real gRPC.
import t from 'tap';
import type { Test } from 'tap';
import { realTime } from '../../../proxy/base/clock.ts';
import { grpcAdsTransport } from '../../../proxy/xds/grpc-ads-transport.ts';
import { channelTo } from '../../support/grpc-channel-to.ts';
import { eventually } from '../../support/eventually.ts';
import { ReplayControlPlane } from '../../support/replay-control-plane.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';
import { testClient } from './recording-watchers.ts';
import type { TestClient } from './recording-watchers.ts';
import { CDS, LDS, ScriptedTransport, badCluster, clusterResource } from './scripted-transport.ts';

const node = {
  id: 'sidecar~10.0.0.1~a.default~default.svc.cluster.local',
  cluster: 'a.default',
  metadataJson: '{"NAMESPACE":"default","LABELS":{"app":"a"}}',
  locality: { region: 'r', zone: 'z', subZone: '' },
};

/** Does what the managers do: asks for the endpoints of EDS clusters and the tables of listeners. */
function followNames({ client, clusters, listeners }: TestClient): void {
  clusters.then = () => {
    const eds = [...clusters.held.values()].filter(({ config }) => config.type === 'EDS');
    client.setNames('endpoints', new Set(eds.map(({ config }) => config.edsServiceName)));
  };
  listeners.then = () => {
    const names = new Set<string>();
    for (const { config } of listeners.held.values()) {
      for (const filter of config.filterChains.flatMap((chain) => chain.networkFilters)) {
        if (filter.kind === 'http_connection_manager' && filter.settings.routes.kind === 'rds') {
          names.add(filter.settings.routes.name);
        }
      }
    }
    client.setNames('routes', names);
  };
}

t.test('AdsClient', (t) => {
  t.test('backs off between tries, and starts over once it was answered', (t) => {
    const transport = new ScriptedTransport();
    const time = new SimulatedTime();
    const { client, stat } = testClient({ mode: 'delta', transport, time });
    client.start();
    const delays: number[] = [];
    for (let i = 0; i < 12; i++) {
      const before = time.monotonicMs();
      const streams = transport.streams.length;
      transport.last.end();
      while (transport.streams.length === streams) time.advance(1);
      delays.push(time.monotonicMs() - before);
    }
    t.ok(delays[0]! <= 500, `first delay ${delays[0]}`);
    t.ok(delays.every((delay) => delay <= 30_000));
    t.ok(Math.max(...delays) > 1000, 'grows');
    t.equal(stat('cluster_manager.cds.update_failure'), 12);
    transport.last.respond({ typeUrl: CDS });
    transport.last.end();
    const streams = transport.streams.length;
    time.advance(500);
    t.equal(transport.streams.length, streams + 1, 'back to the first interval');
    t.end();
  });

  t.test('tells who waits that the first answer is overdue', (t) => {
    const transport = new ScriptedTransport();
    const time = new SimulatedTime();
    const { client, clusters, listeners, stat } = testClient({
      mode: 'delta',
      transport,
      time,
      fetchTimeoutMs: 15_000,
    });
    client.start();
    transport.last.respond({ typeUrl: CDS });
    time.advance(15_000);
    t.equal(clusters.timeouts, 0);
    t.equal(listeners.timeouts, 1);
    t.equal(stat('listener_manager.lds.init_fetch_timeout'), 1);
    t.end();
  });

  t.test('asks for listeners when clusters are overdue, whose time begins then', (t) => {
    const transport = new ScriptedTransport();
    const time = new SimulatedTime();
    const { client, clusters, listeners } = testClient({
      mode: 'delta',
      transport,
      time,
      fetchTimeoutMs: 15_000,
    });
    client.start();
    t.same(transport.last.take(), ['CDS']);
    time.advance(15_000);
    t.same(transport.last.take(), ['LDS']);
    t.same([clusters.timeouts, listeners.timeouts], [1, 0]);
    time.advance(15_000);
    t.same([clusters.timeouts, listeners.timeouts], [1, 1]);
    t.end();
  });

  t.test('shows its state and counts', (t) => {
    const transport = new ScriptedTransport();
    const { client, stat, lines } = testClient({
      mode: 'delta',
      transport,
      time: new SimulatedTime(),
    });
    client.start();
    t.equal(client.state().connected, false);
    transport.last.respond({
      typeUrl: CDS,
      version: 'v1',
      resources: [clusterResource('a')],
      controlPlaneIdentifier: 'istiod-1',
    });
    transport.last.respond({ typeUrl: LDS, version: 'v1' });
    transport.last.respond({ typeUrl: CDS, version: 'v2', resources: [badCluster('b')] });
    t.match(client.state(), {
      connected: true,
      controlPlaneIdentifier: 'istiod-1',
      streamsOpened: 1,
      types: [
        {
          kind: 'clusters',
          version: 'v1',
          heldCount: 1,
          responses: 2,
          lastNack: { version: 'v2', wallMs: 1_000_000_000_000 },
        },
        { kind: 'endpoints', names: [] },
        { kind: 'listeners', version: 'v1' },
        { kind: 'routes' },
      ],
    });
    t.equal(stat('control_plane.connected_state'), 1);
    t.equal(stat('cluster_manager.cds.update_success'), 1);
    t.equal(stat('cluster_manager.cds.update_rejected'), 1);
    t.equal(stat('cluster_manager.cds.update_attempt'), 3, 'asked, good, bad');
    t.equal(stat('listener_manager.lds.update_success'), 1);
    t.not(stat('cluster_manager.cds.version'), 0);
    t.match(lines, [
      /^warning cluster refused: Error adding\/updating cluster\(s\) b: connect_timeout/,
    ]);
    transport.last.end('gone');
    t.match(client.state(), { connected: false, lastEnd: 'gone' });
    t.equal(stat('control_plane.connected_state'), 0);
    t.end();
  });

  t.test('sends the node every time where the bootstrap says so', (t) => {
    const transport = new ScriptedTransport();
    const { client } = testClient({
      mode: 'delta',
      transport,
      time: new SimulatedTime(),
      nodeOnFirstMessageOnly: false,
    });
    client.start();
    client.setNames('endpoints', new Set(['a']));
    t.strictSame(
      transport.last.sent.map(({ withNode }) => withNode),
      [true, true],
    );
    t.end();
  });

  t.test('is silent after close', (t) => {
    const transport = new ScriptedTransport();
    const time = new SimulatedTime();
    const { client } = testClient({ mode: 'sotw', transport, time, fetchTimeoutMs: 1000 });
    client.start();
    client.close();
    client.close();
    t.ok(transport.last.cancelled);
    t.ok(transport.closed);
    t.equal(time.pending, 0);
    t.end();
  });

  t.test('survives a watcher that throws, and says so in the NACK', (t) => {
    const transport = new ScriptedTransport();
    const { client, clusters } = testClient({
      mode: 'delta',
      transport,
      time: new SimulatedTime(),
    });
    client.start();
    transport.last.take();
    clusters.then = () => {
      throw new Error('oops');
    };
    transport.last.respond({ typeUrl: CDS, resources: [clusterResource('a')] });
    t.match(transport.last.sent[0]?.request.nack, /a: internal error: oops/);
    t.end();
  });

  for (const recording of [
    '10-updates/productpage',
    '10-updates/productpage-sotw',
    '10-updates/productpage-1.29',
    '14-endpoint-updates/productpage',
    '14-endpoint-updates/productpage-sotw',
  ]) {
    t.test(`accepts every step of ${recording}`, async (t) => {
      const mode = recording.endsWith('-sotw') ? 'sotw' : 'delta';
      const server = new ReplayControlPlane(recording);
      t.teardown(() => server.close());
      const transport = grpcAdsTransport({
        channel: channelTo(await server.listen()),
        node,
        userAgentVersion: '',
      });
      const setup = testClient({ mode, transport, time: realTime });
      t.teardown(() => setup.client.close());
      followNames(setup);
      setup.client.start();
      await eventually('the first load', () => server.unanswered.length === 0);
      const initialClusters = setup.clusters.held.size;
      for (const step of server.steps) await server.play(step);
      t.strictSame(server.nacks, []);
      t.match(server.requests[0]?.node, {
        id: node.id,
        cluster: node.cluster,
        metadata: { NAMESPACE: 'default', LABELS: { app: 'a' } },
      });
      t.ok(server.requests.slice(1).every((request) => request.node === undefined));
      t.equal(setup.routes.held.size, 1);
      if (recording.startsWith('10')) checkUpdates(t, setup, initialClusters);
      else checkEndpointUpdates(t, setup);
    });
  }

  t.test('says what it holds after istiod went away, and carries on', async (t) => {
    const server = new ReplayControlPlane('10-updates/productpage');
    t.teardown(() => server.close());
    const transport = grpcAdsTransport({
      channel: channelTo(await server.listen()),
      node,
      userAgentVersion: '',
    });
    const setup = testClient({ mode: 'delta', transport, time: realTime });
    t.teardown(() => setup.client.close());
    followNames(setup);
    setup.client.start();
    await eventually('the first load', () => server.unanswered.length === 0);
    setup.clusters.takeCalls();
    server.requests.length = 0;
    server.cut();
    await eventually('a second load', () => server.streams === 2 && server.unanswered.length === 0);
    const first = server.requests.find((request) => request.type_url === CDS);
    t.match(first?.node, { id: node.id });
    const held =
      first !== undefined && 'initial_resource_versions' in first
        ? first.initial_resource_versions
        : undefined;
    t.equal(held?.size, setup.clusters.held.size);
    t.strictSame(setup.clusters.takeCalls(), [], 'the same clusters again change nothing');
    t.strictSame(server.nacks, []);
  });
  t.end();
});

function checkUpdates(t: Test, { clusters, endpoints }: TestClient, initialClusters: number): void {
  t.equal(clusters.held.size, initialClusters, 'a service came and went');
  const subsets = [...clusters.held.keys()].filter((name) => name.includes('|v1|'));
  t.ok(subsets.length > 0);
  t.ok(
    [...clusters.held.values()].every(
      ({ config }) => config.type !== 'EDS' || endpoints.held.has(config.edsServiceName),
    ),
  );
}

function checkEndpointUpdates(t: Test, { clusters, endpoints }: TestClient): void {
  t.equal(clusters.calls.length, 1, 'endpoints alone changed');
  t.ok(endpoints.calls.length > 5);
}
