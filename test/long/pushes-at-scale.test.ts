// @long @timeout 300 s
// Five thousand clusters and their endpoints pushed to a proxy that serves: one endpoint that changes touches its cluster alone, what is sent
// again unchanged touches none, and when all change no request is lost over it; how long the slowest of a hundred took is watched.
import { spawn } from 'node:child_process';
import t from 'tap';
import type { Test } from 'tap';

import { startOwnLoad } from '../../bench/load/load-generator.ts';
import type { LoadReply } from '../../bench/load/request-load.ts';
import {
  clusterOf,
  clusterResource,
  endpointsResource,
  hostOf,
  listenerResource,
  routesResource,
  strangers,
} from '../../bench/scale/mesh-resources.ts';
import type { NamedResource } from '../../bench/scale/mesh-resources.ts';
import { decode } from '../../xds-protos/codec.ts';
import { packAny } from '../../xds-protos/any.ts';
import type { Any } from '../../xds-protos/well-known-types.ts';
import { eventually } from '../support/eventually.ts';
import { ProxyProcess, bootstrapOf } from '../support/proxy-process.ts';
import { ScriptedControlPlane, TYPES } from '../support/scripted-control-plane.ts';
import { freePort } from '../support/free-port.ts';
import { ask } from '../support/test-http.ts';
import { adsConfig, byAds, xdsCluster } from '../support/xds-bootstrap.ts';

t.setTimeout(290_000);

const CLUSTERS = 5000;
/** Traffic goes to this one, and a push changes another. */
const BUSY = 0;
const PUSHED = 1;
/** A machine that tests other things at the same time is slow; a worker that waits for pushes would be slower. */
const MOST_P99_US = 1_000_000;
const PATIENCE_MS = 60_000;

/** A server of its own, so that nobody waits for this process. */
async function origin(t: Test): Promise<number> {
  const port = await freePort();
  const code = `require('node:http').createServer((q, r) => r.end('ok')).listen(${port}, '127.0.0.1')`;
  const child = spawn(process.execPath, ['-e', code], { stdio: 'ignore' });
  t.teardown(() => void child.kill('SIGKILL'));
  await eventually('the origin answers', async () =>
    ask(port, 'GET', '/').then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
  return port;
}

/** As in a mesh: most are off. */
const KEPT_STATS = [
  { prefix: 'cluster_manager.' },
  { prefix: 'listener_manager.' },
  ...['update_success', 'update_no_rebuild', 'membership_change'].map((suffix) => ({ suffix })),
];

const byName = (resources: readonly NamedResource[]): ReadonlyMap<string, Any> =>
  new Map(resources.map(({ name, resource }) => [name, resource]));

const services = Array.from({ length: CLUSTERS }, (_, i) => i);

function clusters(timeoutSeconds: number): ReadonlyMap<string, Any> {
  const made = services.map(clusterResource);
  return new Map(
    made.map(({ name, resource }) => {
      const message = decode(TYPES.clusters, resource.value);
      const connect_timeout = { seconds: timeoutSeconds, nanos: 0 };
      return [name, packAny(TYPES.clusters, { ...message, connect_timeout })];
    }),
  );
}

/** Sums over all clusters, and the manager's counts. */
async function counts(proxy: ProxyProcess): Promise<Readonly<Record<string, number>>> {
  const filter = encodeURIComponent(
    '^cluster\\.outbound.*\\.(update_success|update_no_rebuild|membership_change)$|^cluster_manager\\.cluster_(added|modified|removed|updated)$',
  );
  const reply = await ask(proxy.adminPort, 'GET', `/stats?format=json&filter=${filter}`);
  const { stats } = JSON.parse(reply.body) as { stats: { name?: string; value?: number }[] };
  const sums = new Map<string, number>();
  for (const { name, value = 0 } of stats) {
    if (name === undefined) continue;
    const kind = name.slice(name.lastIndexOf('.') + 1);
    sums.set(kind, (sums.get(kind) ?? 0) + value);
  }
  return Object.fromEntries(sums);
}

/** What has grown, by how much. */
function growth(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const grown = Object.entries(after).map(([name, value]): [string, number] => [
    name,
    value - (before[name] ?? 0),
  ]);
  return Object.fromEntries(grown.filter(([, by]) => by !== 0));
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Looks seldom: workers answer for their stats between requests. */
const comesTrue = (what: string, condition: () => Promise<boolean>): Promise<void> =>
  eventually(
    what,
    async () => {
      await pause(500);
      return condition();
    },
    PATIENCE_MS,
  );

t.test('Pushes to a proxy with five thousand clusters', async (t) => {
  const plane = new ScriptedControlPlane();
  await plane.listen();
  t.teardown(() => plane.close());
  const busy = await origin(t);
  const listenPort = await freePort();
  const addressesOf = (service: number, generation = 0): { address: string; port: number }[] =>
    service === BUSY ? [{ address: '127.0.0.1', port: busy }] : strangers(service, 3, generation);
  const endpoints = services.map((service) => endpointsResource(service, addressesOf(service)));
  plane.update('clusters', byName([clusterResource(BUSY)]), []);
  plane.update('endpoints', byName(endpoints), []);
  plane.update('routes', byName([routesResource(CLUSTERS)]), []);
  plane.update('listeners', byName([listenerResource(listenPort)]), []);
  const proxy = await ProxyProcess.start(t, {
    ...bootstrapOf([], [xdsCluster(plane.port)]),
    stats_config: { stats_matcher: { inclusion_list: { patterns: KEPT_STATS } } },
    dynamic_resources: {
      ads_config: adsConfig('DELTA_GRPC'),
      cds_config: byAds('0s'),
      lds_config: byAds('0s'),
    },
  });
  const headers = [['Host', hostOf(BUSY)]] as const;
  const url = `http://127.0.0.1:${listenPort}/`;
  const under = async (what: string, work: () => Promise<void>): Promise<LoadReply> => {
    const load = startOwnLoad(
      { url, headers, connections: 8, durationMs: 120_000, rps: 300 },
      undefined,
    );
    await work();
    // Main knows it; workers hear of it in parts.
    await pause(1500);
    load.stop();
    const reply = await load.reply;
    t.equal(reply.failures, 0, `${what}: none of ${reply.requests} requests failed`);
    t.ok(reply.p99Us < MOST_P99_US, `${what}: p99 ${reply.p99Us} µs`);
    t.comment(`${what}: p99 ${reply.p99Us} µs, slowest ${reply.maxUs} µs`);
    return reply;
  };
  await eventually(
    'it serves',
    async () => {
      const reply = await ask(listenPort, 'GET', '/', { host: hostOf(BUSY) }).catch(() => null);
      return reply?.status === 200;
    },
    PATIENCE_MS,
  );
  await under('all come', async () => {
    plane.update('clusters', clusters(1), []);
    await comesTrue(
      'all are there',
      async () => (await proxy.stat('cluster_manager.active_clusters')) === CLUSTERS + 1,
    );
  });
  await under('quiet', () => pause(3000));

  await t.test('one endpoint', async (t) => {
    const before = await counts(proxy);
    const changed = endpointsResource(PUSHED, addressesOf(PUSHED, 1));
    plane.update('endpoints', byName([changed]), []);
    await proxy.untilStat(`cluster.${clusterOf(PUSHED)}.membership_change`, 2);
    t.strictSame(growth(before, await counts(proxy)), {
      membership_change: 1,
      update_success: 1,
      cluster_updated: 1,
    });
  });

  await t.test('all clusters again, and one that changes', async (t) => {
    const before = await counts(proxy);
    await under('all again', async () => {
      plane.update('clusters', clusters(1), []);
      // The answer to what comes next says that this is done.
      const last = clusterResource(PUSHED);
      plane.update('clusters', byName([last]), []);
      await comesTrue(
        'a change is heard',
        async () => growth(before, await counts(proxy))['cluster_modified'] === 1,
      );
    });
    const changed = { cluster_modified: 1, membership_change: 1 };
    t.strictSame(growth(before, await counts(proxy)), changed, 'its hosts are new to the new one');
  });

  await t.test('all clusters, changed, and their endpoints', async (t) => {
    const before = await counts(proxy);
    await under('all changed', async () => {
      plane.update('clusters', clusters(2), []);
      plane.update('endpoints', byName(endpoints), []);
      await comesTrue(
        'all are changed',
        async () => growth(before, await counts(proxy))['cluster_modified'] === CLUSTERS,
      );
    });
    t.equal((await counts(proxy))['cluster_removed'] ?? 0, 0);
  });

  await t.test('all gone but one, and back', async (t) => {
    await under('gone and back', async () => {
      const others = services.filter((service) => service !== BUSY).map(clusterOf);
      plane.update('clusters', new Map(), others);
      await comesTrue(
        'they are gone',
        async () => (await proxy.stat('cluster_manager.active_clusters')) === 2,
      );
      plane.update('clusters', clusters(2), []);
      await comesTrue(
        'all are back',
        async () => (await proxy.stat('cluster_manager.active_clusters')) === CLUSTERS + 1,
      );
    });
    t.ok(proxy.alive);
    t.strictSame(
      plane.requests.filter(({ nack }) => nack !== ''),
      [],
    );
  });
});
