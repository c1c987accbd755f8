// ClusterManager: warming by endpoints and DNS, updates, removal, what EDS is asked for.
import t from 'tap';
import { LoggerRegistry } from '../../../proxy/base/logger.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { ClusterManager } from '../../../proxy/upstream/cluster-manager.ts';
import type { ClusterManagerDeps } from '../../../proxy/upstream/cluster-manager-deps.ts';
import {
  resource,
  sampleCluster,
  sampleEndpoint,
  sampleEndpoints,
  sampleLocality,
} from '../../support/config-samples.ts';
import { FakeDnsResolver } from '../../support/fake-dns-resolver.ts';
import { NO_SECRETS } from '../../support/no-secrets.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

function setUp(changes: Partial<ClusterManagerDeps> = {}) {
  const published: string[] = [];
  const asked: string[][] = [];
  const time = new SimulatedTime();
  const resolver = new FakeDnsResolver();
  const stats = new StatsStore();
  const manager = new ClusterManager({
    sink: {
      publishCluster: (config) =>
        published.push(`cluster ${config.name} ${config.altStatName ?? 'h1'}`),
      publishEndpoints: ({ clusterName, localities }) => {
        const hosts = localities.flatMap((l) =>
          l.endpoints.map((e) => (e.address.kind === 'ip' ? e.address.address : '')),
        );
        published.push(`endpoints ${clusterName} [${hosts.join(' ')}]`);
      },
      removeCluster: (name) => published.push(`remove ${name}`),
    },
    events: {
      onEndpointsWanted: (wanted) => asked.push([...wanted.keys()].sort()),
      onChange: () => {},
      onPublished: () => {},
    },
    resolver,
    secrets: NO_SECRETS,
    time,
    random: { next: () => 0, nextUint32: () => 0 },
    stats,
    statWanted: () => true,
    statsHidden: () => () => false,
    log: new LoggerRegistry('off', () => {}).get('upstream'),
    maxClusters: 4,
    breakers: { read: () => undefined },
    ...changes,
  });
  const take = (): string[] => published.splice(0);
  const stat = (name: string, kind: 'counter' | 'gauge' = 'gauge'): number =>
    stats.value(stats[kind](name));
  return { manager, take, asked, time, resolver, stat };
}

/** `altStatName`: anything that makes one version differ from another. */
const eds = (name: string, altStatName = 'h1', service = name) =>
  resource(
    name,
    sampleCluster(name, { type: 'EDS', altStatName, edsServiceName: service, localities: [] }),
  );
const endpoints = (service: string, ...addresses: string[]) =>
  resource(service, sampleEndpoints(service, addresses));

t.test('ClusterManager', (t) => {
  t.test('publishes a static cluster at once', (t) => {
    const { manager, take, stat } = setUp();
    manager.addStatic([resource('a', sampleCluster('a', { addedViaApi: false }))]);
    t.same(take(), ['cluster a h1', 'endpoints a [127.0.0.1]']);
    t.equal(manager.warmingCount, 0);
    t.equal(stat('cluster_manager.active_clusters'), 1);
    t.equal(stat('cluster.a.membership_total'), 1);
    t.end();
  });

  t.test('publishes an EDS cluster when its endpoints came', (t) => {
    const { manager, take, asked, stat } = setUp();
    t.same(manager.onClusters([eds('a'), eds('b', 'h1', 'service-b')], []), []);
    t.same(take(), []);
    t.same(asked, [['a', 'service-b']]);
    t.equal(stat('cluster_manager.warming_clusters'), 2);
    manager.onEndpoints([endpoints('service-b', '1.1.1.1')]);
    t.same(take(), ['cluster b h1', 'endpoints b [1.1.1.1]']);
    manager.onEndpoints([endpoints('a'), endpoints('nobody', '9.9.9.9')]);
    t.same(take(), ['cluster a h1', 'endpoints a []'], 'an empty answer ends the wait');
    t.equal(manager.warmingCount, 0);
    t.end();
  });

  t.test('publishes later endpoints without the cluster', (t) => {
    const { manager, take } = setUp();
    manager.onClusters([eds('a')], []);
    manager.onEndpoints([endpoints('a', '1.1.1.1')]);
    take();
    manager.onEndpoints([endpoints('a', '1.1.1.1', '2.2.2.2')]);
    t.same(take(), ['endpoints a [1.1.1.1 2.2.2.2]']);
    t.end();
  });

  t.test('ignores a cluster that says the same', (t) => {
    const { manager, take, asked } = setUp();
    manager.onClusters([eds('a')], []);
    manager.onEndpoints([endpoints('a', '1.1.1.1')]);
    take();
    manager.onClusters([eds('a')], []);
    t.same(take(), []);
    t.equal(asked.length, 1);
    t.end();
  });

  t.test('makes a changed cluster ready with the endpoints it holds', (t) => {
    const { manager, take, stat } = setUp();
    manager.onClusters([eds('a')], []);
    manager.onEndpoints([endpoints('a', '1.1.1.1')]);
    take();
    manager.onClusters([eds('a', 'h2')], []);
    t.same(take(), ['cluster a h2', 'endpoints a [1.1.1.1]']);
    t.equal(stat('cluster_manager.cluster_modified', 'counter'), 1);
    t.end();
  });

  t.test('serves the old version until the new one is warm', (t) => {
    const { manager, take } = setUp();
    manager.onClusters([resource('a', sampleCluster('a'))], []);
    take();
    manager.onClusters([eds('a', 'h2')], []);
    t.same(take(), []);
    t.equal(manager.warmingCount, 1);
    t.notOk(manager.isWarmingFirst('a'));
    manager.onEndpoints([endpoints('a', '3.3.3.3')]);
    t.same(take(), ['cluster a h2', 'endpoints a [3.3.3.3]']);
    t.end();
  });

  t.test(
    'keeps endpoints when another cluster takes over the service in the same response',
    (t) => {
      const { manager, take, asked } = setUp();
      manager.onClusters([eds('a', 'h1', 's')], []);
      manager.onEndpoints([endpoints('s', '1.1.1.1')]);
      take();
      manager.onClusters([eds('a', 'h2', 'other'), eds('b', 'h1', 's')], []);
      t.same(take(), ['cluster b h1', 'endpoints b [1.1.1.1]']);
      t.same(asked.at(-1), ['other', 's']);
      manager.onClusters([eds('c', 'h1', 's')], ['b']);
      t.same(take(), ['cluster c h1', 'endpoints c [1.1.1.1]', 'remove b']);
      t.end();
    },
  );

  t.test('removes clusters, warming or active, and their subscription', (t) => {
    const { manager, take, asked } = setUp();
    manager.onClusters([eds('a'), eds('b')], []);
    manager.onEndpoints([endpoints('a', '1.1.1.1')]);
    take();
    manager.onClusters([], ['a', 'b', 'unknown']);
    t.same(take(), ['remove a']);
    t.same(asked.at(-1), []);
    t.equal(manager.warmingCount, 0);
    t.same(manager.clusters(), []);
    t.end();
  });

  t.test('leaves static clusters alone', (t) => {
    const { manager, take } = setUp();
    manager.addStatic([resource('xds', sampleCluster('xds'))]);
    take();
    t.same(
      manager.onClusters([resource('xds', sampleCluster('xds', { altStatName: 'h9' }))], []),
      [],
    );
    manager.onClusters([], ['xds']);
    t.same(take(), []);
    t.equal(manager.clusters().length, 1);
    t.end();
  });

  t.test('goes on without endpoints after the fetch time-out, if one is set', (t) => {
    const { manager, take, time } = setUp();
    const edsSource = { source: { kind: 'ads' }, initialFetchTimeoutMs: 15_000 } as const;
    const cluster = sampleCluster('a', { type: 'EDS', edsSource, localities: [] });
    manager.onClusters([resource('a', cluster)], []);
    time.advance(14_999);
    t.same(take(), []);
    time.advance(1);
    t.same(take(), ['cluster a h1', 'endpoints a []']);
    manager.onEndpoints([endpoints('a', '1.1.1.1')]);
    t.same(take(), ['endpoints a [1.1.1.1]']);
    t.end();
  });

  const counters = (stat: (name: string, kind: 'counter') => number, ...names: string[]): string =>
    names.map((name) => `${name} ${stat(`cluster.a.${name}`, 'counter')}`).join(', ');

  t.test('counts updates, and changes of membership by priority', (t) => {
    const { manager, take, stat } = setUp();
    const count = (): string =>
      counters(stat, 'update_attempt', 'update_success', 'update_no_rebuild', 'membership_change');
    manager.onClusters([eds('a')], []);
    manager.onEndpoints([endpoints('a', '1.1.1.1')]);
    t.equal(
      count(),
      'update_attempt 2, update_success 1, update_no_rebuild 0, membership_change 1',
    );
    manager.onUnchangedEndpoints('a', 'v2');
    take();
    manager.onEndpoints([endpoints('a', '1.1.1.1', '1.1.1.1')]);
    t.same(take(), [], 'the second of the same address is none');
    t.equal(
      count(),
      'update_attempt 4, update_success 3, update_no_rebuild 2, membership_change 1',
    );
    const moved = { ...sampleLocality([sampleEndpoint('1.1.1.1', 80)]), priority: 2 };
    const config = { ...sampleEndpoints('a', []), localities: [moved] };
    manager.onEndpoints([resource('a', config)]);
    t.equal(
      count(),
      'update_attempt 5, update_success 4, update_no_rebuild 2, membership_change 3',
    );
    t.equal(stat('cluster_manager.cluster_updated', 'counter'), 1);
    manager.onRejectedEndpoints([
      { name: 'a', version: 'v9', message: 'x', raw: new Uint8Array() },
    ]);
    t.equal(counters(stat, 'update_rejected'), 'update_rejected 1');
    t.same(take(), ['endpoints a [1.1.1.1]'], 'what is in use stays');
    t.end();
  });

  t.test('forgets hosts that are not renewed in time, and takes them back', (t) => {
    const { manager, take, time, stat } = setUp();
    const perishable = resource('a', {
      ...sampleEndpoints('a', ['1.1.1.1']),
      staleAfterMs: 5000,
    });
    manager.onClusters([eds('a')], []);
    manager.onEndpoints([perishable]);
    time.advance(4999);
    manager.onUnchangedEndpoints('a', 'v2');
    take();
    time.advance(4999);
    t.same(take(), []);
    time.advance(1);
    t.same(take(), ['endpoints a []']);
    t.equal(
      counters(stat, 'assignment_stale', 'assignment_timeout_received'),
      'assignment_stale 1, assignment_timeout_received 2',
    );
    manager.onUnchangedEndpoints('a', 'v3');
    t.same(take(), ['endpoints a [1.1.1.1]']);
    manager.onEndpoints([endpoints('a', '2.2.2.2')]);
    take();
    time.advance(60_000);
    t.same(take(), [], 'the newest one says nothing of time');
    manager.onEndpoints([perishable]);
    manager.onClusters([], ['a']);
    t.equal(time.pending, 0);
    t.end();
  });

  t.test('waits for ever with time-out 0', (t) => {
    const { manager, take, time } = setUp();
    manager.onClusters([eds('a')], []);
    time.advance(86_400_000);
    t.same(take(), []);
    t.equal(manager.warmingCount, 1);
    t.end();
  });

  t.test('resolves a DNS cluster before it is published', (t) => {
    const { manager, take, resolver, stat } = setUp();
    const locality = sampleLocality([
      sampleEndpoint('ratings.test', 80),
      sampleEndpoint('10.0.0.9', 80),
    ]);
    manager.onClusters(
      [resource('d', sampleCluster('d', { type: 'STRICT_DNS', localities: [locality] }))],
      [],
    );
    t.same(take(), []);
    resolver.answer('ratings.test', ['10.0.0.1', '10.0.0.9']);
    t.same(
      take(),
      ['cluster d h1', 'endpoints d [10.0.0.1 10.0.0.9]'],
      'an address listed twice counts once',
    );
    t.equal(stat('cluster.d.membership_total'), 2);
    manager.onClusters([], ['d']);
    t.equal(resolver.open.length, 0);
    t.end();
  });

  t.test('publishes a cluster of original destinations without endpoints', (t) => {
    const { manager, take } = setUp();
    manager.onClusters(
      [resource('o', sampleCluster('o', { type: 'ORIGINAL_DST', localities: [] }))],
      [],
    );
    t.same(take(), ['cluster o h1']);
    t.end();
  });

  t.test('refuses more clusters than there are slots', (t) => {
    const { manager } = setUp();
    const many = ['a', 'b', 'c', 'd', 'e'].map((name) => resource(name, sampleCluster(name)));
    const problems = manager.onClusters(many, []);
    t.match(problems, [{ name: 'e', message: /more than 4 clusters/ }]);
    t.equal(manager.clusters().length, 4);
    t.match(manager.dumpClusters('v1').failures, [
      { name: 'e', errorState: { details: /more than 4/ } },
    ]);
    t.end();
  });

  t.test('shows active, warming and refused versions in the dump', (t) => {
    const { manager } = setUp();
    manager.addStatic([resource('s', sampleCluster('s'), '')]);
    manager.onClusters([resource('a', sampleCluster('a')), eds('b')], []);
    manager.onClusters(
      [resource('a', sampleCluster('a', { type: 'EDS', altStatName: 'h2' }), 'v2')],
      [],
    );
    manager.onRejectedClusters([{ ...resource('a', null, 'v3'), message: 'lb_policy: unknown' }]);
    const dump = manager.dumpClusters('v2');
    t.match(
      dump.entries.map(({ name, state, version }) => `${name} ${state} ${version}`),
      ['s static ', 'a active v1', 'a warming v2', 'b warming v1'],
    );
    t.match(dump.entries[1], {
      errorState: { details: 'lb_policy: unknown', version: 'v3' },
      lastUpdatedMs: 1e12,
    });
    manager.onEndpoints([endpoints('b', '1.1.1.1')]);
    t.ok(manager.clusters().some(({ config }) => config.name === 'b'));
    t.end();
  });
  t.end();
});
