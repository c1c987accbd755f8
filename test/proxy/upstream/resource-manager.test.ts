// ResourceManager: limits hold for all workers together, and survive one that dies.
import t from 'tap';
import type { CircuitBreakerConfig } from '../../../proxy/config/cluster-config.ts';
import { CircuitBreakerSlots } from '../../../proxy/server/circuit-breaker-slots.ts';
import { BreakerCounts, ResourceManager } from '../../../proxy/upstream/resource-manager.ts';

const limits: CircuitBreakerConfig = {
  maxConnections: 2,
  maxPendingRequests: 1,
  maxRequests: 3,
  maxRetries: 1,
  retryBudget: undefined,
  trackRemaining: false,
};

function setUp(config = limits) {
  const slots = new CircuitBreakerSlots(2);
  const slot = slots.slotOf('cluster');
  const worker = (index: number, priority: 'DEFAULT' | 'HIGH' = 'DEFAULT'): ResourceManager =>
    new ResourceManager(new BreakerCounts(slots.counts, index, 2), slot, priority, config);
  return { slots, worker };
}

t.test('ResourceManager', async (t) => {
  t.test('counts what all workers took against one limit', async (t) => {
    const { worker } = setUp();
    const [a, b] = [worker(0), worker(1)];
    a.connections.inc();
    t.ok(b.connections.canCreate());
    b.connections.inc();
    t.notOk(a.connections.canCreate());
    t.notOk(b.connections.canCreate());
    a.connections.dec();
    t.ok(b.connections.canCreate());
    t.equal(b.connections.count, 1);
  });
  t.test('keeps priorities and kinds apart', async (t) => {
    const { worker } = setUp();
    worker(0).requests.inc();
    t.equal(worker(1, 'HIGH').requests.count, 0);
    t.equal(worker(1).retries.count, 0);
  });
  t.test('gets back what a dead worker had taken', async (t) => {
    const { slots, worker } = setUp();
    worker(0).connections.inc();
    worker(1).connections.inc();
    slots.clearWorker(1);
    t.equal(worker(0).connections.count, 1, 'the other worker keeps its own');
  });
  t.test('follows a changed limit at once', async (t) => {
    const manager = setUp().worker(0);
    manager.pendingRequests.inc();
    t.notOk(manager.pendingRequests.canCreate());
    manager.update({ ...limits, maxPendingRequests: 2 });
    t.ok(manager.pendingRequests.canCreate());
  });
  t.test('takes a retry budget in place of max_retries', async (t) => {
    const retryBudget = { budgetPercent: 50, minRetryConcurrency: 1 };
    const manager = setUp({ ...limits, maxRetries: 0, retryBudget }).worker(0);
    t.ok(manager.canRetry(), 'the minimum without any request');
    manager.retries.inc();
    t.notOk(manager.canRetry());
    for (let i = 0; i < 4; i++) manager.requests.inc();
    t.ok(manager.canRetry(), 'half of four requests');
    manager.retries.inc();
    t.notOk(manager.canRetry());
  });
});
