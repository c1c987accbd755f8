// The gauges of circuit breakers, as main reads them from what workers share.
import t from 'tap';

import { CircuitBreakerSlots } from '../../../proxy/server/circuit-breaker-slots.ts';
import { CircuitBreakerStats } from '../../../proxy/upstream/circuit-breaker-stats.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { BreakerCounts, ResourceManager } from '../../../proxy/upstream/resource-manager.ts';
import type { CircuitBreakerConfig } from '../../../proxy/config/cluster-config.ts';
import { sampleCluster } from '../../support/config-samples.ts';

function setUp(limits: Partial<CircuitBreakerConfig> = {}, wanted = (): boolean => true) {
  const store = new StatsStore();
  const slots = new CircuitBreakerSlots(2);
  const sample = sampleCluster('c').circuitBreakers.default;
  const config = sampleCluster('c', {
    circuitBreakers: { default: { ...sample, ...limits }, high: sample },
  });
  const slot = slots.slotOf('c');
  const workers = [0, 1].map(
    (index) =>
      new ResourceManager(
        new BreakerCounts(slots.counts, index, 2),
        slot,
        'DEFAULT',
        config.circuitBreakers.default,
      ),
  );
  const stats = new CircuitBreakerStats({ store, breakers: slots, wanted });
  const gauges = (...names: string[]): number[] => {
    stats.refresh([config]);
    return names.map((name) =>
      store.value(store.gauge(`cluster.c.circuit_breakers.default.${name}`)),
    );
  };
  const names = (): number => {
    stats.refresh([config]);
    return store.report(true).definitions.length;
  };
  return { workers, gauges, names, stats, config };
}

t.test('CircuitBreakerStats', (t) => {
  t.test('say nothing of a cluster that nobody has used, or that nobody reads', (t) => {
    t.equal(setUp().names(), 0);
    const unread = setUp({}, () => false);
    unread.workers[0]!.markUsed();
    t.equal(unread.names(), 0);
    const used = setUp();
    used.workers[0]!.markUsed();
    t.equal(used.names(), 10);
    t.end();
  });

  t.test('are open when all workers together reach the limit', (t) => {
    const { workers, gauges } = setUp({ maxConnections: 2, trackRemaining: true });
    workers[1]!.markUsed();
    t.same(gauges('cx_open', 'remaining_cx'), [0, 2]);
    workers[0]!.connections.inc();
    t.same(gauges('cx_open', 'remaining_cx'), [0, 1]);
    workers[1]!.connections.inc();
    t.same(gauges('cx_open', 'remaining_cx', 'rq_open'), [1, 0, 0]);
    workers[1]!.connections.inc();
    t.same(gauges('cx_open', 'remaining_cx'), [1, 0], 'beyond it');
    t.end();
  });

  t.test('know every kind', (t) => {
    const { workers, gauges } = setUp({
      maxRequests: 1,
      maxPendingRequests: 1,
      maxRetries: 1,
      maxConnectionPools: 1,
    });
    const worker = workers[0]!;
    worker.markUsed();
    const names = ['cx_open', 'cx_pool_open', 'rq_open', 'rq_pending_open', 'rq_retry_open'];
    t.same(gauges(...names), [0, 0, 0, 0, 0]);
    worker.pools.inc();
    t.same(gauges(...names), [0, 1, 0, 0, 0]);
    worker.requests.inc();
    t.same(gauges(...names), [0, 1, 1, 0, 0]);
    worker.pendingRequests.inc();
    worker.retries.inc();
    t.same(gauges(...names), [0, 1, 1, 1, 1]);
    t.same(gauges('remaining_rq', 'remaining_pending'), [0, 0], 'not tracked');
    t.end();
  });

  t.test('go by the retry budget', (t) => {
    const { workers, gauges } = setUp({
      maxRetries: 0,
      trackRemaining: true,
      retryBudget: { budgetPercent: 50, minRetryConcurrency: 1 },
    });
    const worker = workers[0]!;
    worker.markUsed();
    t.same(gauges('rq_retry_open', 'remaining_retries'), [0, 0]);
    worker.retries.inc();
    t.same(gauges('rq_retry_open'), [1]);
    for (let i = 0; i < 4; i++) worker.requests.inc();
    t.same(gauges('rq_retry_open'), [0]);
    t.end();
  });

  t.test('are 0 when the cluster is gone', (t) => {
    const { workers, gauges, stats } = setUp({ maxConnections: 1 });
    workers[0]!.markUsed();
    workers[0]!.connections.inc();
    t.same(gauges('cx_open'), [1]);
    stats.refresh([]);
    workers[0]!.connections.dec();
    t.same(gauges('cx_open'), [0]);
    t.end();
  });
  t.end();
});
