// ConfigPublisher: batches, versions, sums, circuit breaker slots.
import t from 'tap';
import { ConfigPublisher } from '../../../proxy/server/config-publisher.ts';
import type { PublishedConfig } from '../../../proxy/server/config-publisher.ts';
import { CLUSTERS_PER_PART } from '../../../proxy/server/update-parts.ts';
import { INTS_PER_SLOT } from '../../../proxy/upstream/resource-manager.ts';
import {
  sampleCluster,
  sampleEndpoints,
  sampleListener,
  sampleRoute,
} from '../../support/config-samples.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

function setUp() {
  const time = new SimulatedTime();
  const published: PublishedConfig[] = [];
  const publisher = new ConfigPublisher(time, (config) => published.push(config), 2);
  return { time, published, publisher };
}

const names = ({ update }: PublishedConfig) => ({
  version: update.version,
  clusters: update.clusters.map((c) => `${c.name}@${c.altStatName ?? 'h1'}`),
  endpoints: update.endpoints.map((e) => e.clusterName),
  routes: update.routes.map((r) => `${r.name}@${r.version}`),
  listeners: update.listeners.map((l) => l.name),
  removed: [...update.removedListeners, ...update.removedRoutes, ...update.removedClusters],
});

t.test('ConfigPublisher', (t) => {
  t.test('gathers the changes of one moment into one update', (t) => {
    const { time, published, publisher } = setUp();
    publisher.publishCluster(sampleCluster('a'));
    publisher.publishEndpoints(sampleEndpoints('a', ['1.1.1.1']));
    publisher.publishRoute(sampleRoute('r'));
    publisher.publishRoute(sampleRoute('r', 'v2'));
    publisher.publishListener(sampleListener('l', 1));
    t.equal(published.length, 0);
    time.advance(10);
    t.same(published.map(names), [
      {
        version: 1,
        clusters: ['a@h1'],
        endpoints: ['a'],
        routes: ['r@v2'],
        listeners: ['l'],
        removed: [],
      },
    ]);
    t.end();
  });

  t.test('sends again what was compiled from other values of the runtime', (t) => {
    const { time, published, publisher } = setUp();
    publisher.publishCluster(sampleCluster('a'));
    publisher.publishRoute(sampleRoute('r'));
    publisher.publishListener(sampleListener('l', 1));
    time.advance(10);
    const runtime = new Map([['k', '1']]);
    publisher.publishRuntime(runtime);
    time.advance(10);
    const [first, second] = published.map(({ update }) => update);
    t.equal(first!.runtime, undefined);
    t.same(second!.runtime, runtime);
    t.match(names(published[1]!), { clusters: [], routes: ['r@v1'], listeners: ['l'] });
    const hashes = [first, second].map((update) => [
      update!.listeners[0]!.hash,
      ...update!.listeners[0]!.filterChains.map(({ hash }) => hash),
    ]);
    for (const [i, hash] of hashes[0]!.entries()) t.not(hashes[1]![i], hash);
    publisher.publishRoute(sampleRoute('r', 'v2'));
    time.advance(10);
    t.equal(published[2]!.update.runtime, undefined);
    const { update } = publisher.sum();
    t.same(update.runtime, runtime, 'a worker that comes later gets it');
    t.equal(update.listeners[0]!.hash, hashes[1]![0]);
    t.end();
  });

  t.test('publishes only what changed, and removals', (t) => {
    const { time, published, publisher } = setUp();
    publisher.publishCluster(sampleCluster('a'));
    publisher.publishCluster(sampleCluster('b'));
    time.advance(10);
    publisher.publishCluster(sampleCluster('b', { altStatName: 'h2' }));
    publisher.removeCluster('a');
    publisher.removeCluster('never');
    time.advance(10);
    t.same(names(published[1]!), {
      version: 2,
      clusters: ['b@h2'],
      endpoints: [],
      routes: [],
      listeners: [],
      removed: ['a'],
    });
    t.end();
  });

  t.test('takes a removal and a new version in one moment for a change', (t) => {
    const { time, published, publisher } = setUp();
    publisher.publishListener(sampleListener('l', 1));
    time.advance(10);
    publisher.removeListener('l');
    publisher.publishListener(sampleListener('l', 2));
    publisher.publishRoute(sampleRoute('r'));
    publisher.removeRoute('r');
    time.advance(10);
    t.match(names(published[1]!), { listeners: ['l'], routes: [], removed: [] });
    t.end();
  });

  t.test('sums everything in force, with what still waits', (t) => {
    const { time, published, publisher } = setUp();
    publisher.publishCluster(sampleCluster('a'));
    publisher.publishEndpoints(sampleEndpoints('a', []));
    publisher.publishCluster(sampleCluster('gone'));
    time.advance(10);
    publisher.removeCluster('gone');
    publisher.publishListener(sampleListener('l', 1));
    const sum = publisher.sum();
    t.equal(published.length, 2, 'the others get what waited');
    t.same(names(sum), {
      version: 2,
      clusters: ['a@h1'],
      endpoints: ['a'],
      routes: [],
      listeners: ['l'],
      removed: [],
    });
    t.same(sum.slots, [{ cluster: 'a', slot: 0 }]);
    time.advance(10);
    t.equal(published.length, 2);
    t.end();
  });

  t.test('gives what structuredClone takes', (t) => {
    const { publisher } = setUp();
    publisher.publishCluster(sampleCluster('a'));
    publisher.publishListener(sampleListener('l', 1));
    t.same(structuredClone(publisher.sum()), publisher.sum());
    t.end();
  });

  t.test('keeps the slot of a cluster while it lives', (t) => {
    const { time, published, publisher } = setUp();
    publisher.publishCluster(sampleCluster('a'));
    publisher.publishCluster(sampleCluster('b'));
    time.advance(10);
    publisher.publishCluster(sampleCluster('b', { altStatName: 'h2' }));
    time.advance(10);
    t.same(published[1]!.slots, [{ cluster: 'b', slot: 1 }]);
    publisher.removeCluster('b');
    time.advance(10);
    publisher.publishCluster(sampleCluster('b', { altStatName: 'h3' }));
    time.advance(10);
    t.same(
      published[3]!.slots,
      [{ cluster: 'b', slot: 2 }],
      'requests of the old cluster still count in its old slot',
    );
    t.end();
  });

  t.test('uses slots again when all workers dropped them and nothing counts there', (t) => {
    const { time, publisher } = setUp();
    const counts = new Int32Array(publisher.circuitBreakerCounts);
    const slots = counts.length / 2 / INTS_PER_SLOT;
    for (let i = 0; i < slots; i++) publisher.publishCluster(sampleCluster(`c${i}`));
    time.advance(10);
    for (const name of ['c7', 'c8']) publisher.removeCluster(name);
    const secondWorker = slots * INTS_PER_SLOT;
    counts[secondWorker + 7 * INTS_PER_SLOT] = 1;
    time.advance(10);
    publisher.onAllApplied(2);
    publisher.publishCluster(sampleCluster('new'));
    t.equal(publisher.sum().slots.find(({ cluster }) => cluster === 'new')?.slot, 8);
    t.end();
  });

  t.test(
    'tells workers that serve of many clusters in parts, each when they run on the last',
    (t) => {
      const { time, published, publisher } = setUp();
      publisher.publishListener(sampleListener('l', 1));
      time.advance(10);
      publisher.onAllApplied(1);
      const all = Array.from({ length: 2 * CLUSTERS_PER_PART + 50 }, (_, i) => `c${i}`);
      for (const name of all) {
        publisher.publishCluster(sampleCluster(name));
        publisher.publishEndpoints(sampleEndpoints(name, ['1.1.1.1']));
      }
      publisher.publishRoute(sampleRoute('r'));
      time.advance(10);
      t.equal(publisher.version, 5);
      t.equal(published.length, 2, 'the first part');
      publisher.publishRoute(sampleRoute('later'));
      time.advance(1000);
      t.equal(published.length, 2, 'workers are not through');
      for (const version of [2, 3, 4]) publisher.onAllApplied(version);
      const parts = published.slice(1);
      t.strictSame(
        parts.map(({ update }) => [
          update.version,
          update.clusters.length,
          update.endpoints.length,
          update.routes.length,
        ]),
        [
          [2, CLUSTERS_PER_PART, CLUSTERS_PER_PART, 0],
          [3, CLUSTERS_PER_PART, CLUSTERS_PER_PART, 0],
          [4, 50, 50, 0],
          [5, 0, 0, 1],
        ],
      );
      for (const { update, slots } of parts) {
        const own = update.clusters.map(({ name }) => name);
        t.strictSame(
          slots.map(({ cluster }) => cluster),
          own,
          'each with its slots',
        );
        t.strictSame(
          update.endpoints.map(({ clusterName }) => clusterName),
          own,
          'and with its endpoints',
        );
      }
      t.strictSame(
        parts.flatMap(({ update }) => update.clusters.map(({ name }) => name)),
        all,
      );
      time.advance(10);
      t.match(names(published[5]!), { version: 6, routes: ['later@v1'] }, 'what came meanwhile');

      for (const name of all) publisher.removeCluster(name);
      time.advance(10);
      t.equal(published.length, 7);
      t.equal(publisher.sum().update.version, 9, 'a sum is of all');
      t.strictSame(
        published.slice(6).map(({ update }) => update.removedClusters.length),
        [CLUSTERS_PER_PART, CLUSTERS_PER_PART, 50],
      );

      for (const name of all) publisher.publishCluster(sampleCluster(name));
      time.advance(10);
      t.equal(published.length, 10);
      publisher.onWorkerGone(1);
      t.equal(published.length, 13, 'nobody waits for a worker that is gone');
      publisher.removeCluster('c0');
      for (const name of all) publisher.publishCluster(sampleCluster(name, { altStatName: 'h3' }));
      time.advance(10);
      t.equal(published.at(-1)?.update.clusters.length, all.length);
      t.end();
    },
  );

  t.test('uses slots again when the last part of what freed them is applied', (t) => {
    const { time, publisher } = setUp();
    publisher.publishListener(sampleListener('l', 1));
    time.advance(10);
    publisher.onAllApplied(1);
    const [first, second] = [publisher.takeOutlierSlot(), publisher.takeOutlierSlot()];
    publisher.releaseOutlierSlot(first);
    const all = Array.from({ length: CLUSTERS_PER_PART + 1 }, (_, i) => `c${i}`);
    for (const name of all) publisher.publishCluster(sampleCluster(name));
    time.advance(10);
    publisher.onAllApplied(2);
    publisher.onAllApplied(3);
    t.equal(publisher.takeOutlierSlot(), second + 1, 'its host may be in a part to come');
    publisher.onAllApplied(4);
    t.equal(publisher.takeOutlierSlot(), first);
    t.end();
  });
  t.end();
});
