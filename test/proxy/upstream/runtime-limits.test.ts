// Circuit breaker limits that the runtime overrides.
import t from 'tap';

import { Runtime } from '../../../proxy/base/runtime.ts';
import { runtimeLimits } from '../../../proxy/upstream/runtime-limits.ts';
import { sampleCluster } from '../../support/config-samples.ts';

const limits = {
  ...sampleCluster('c').circuitBreakers.default,
  retryBudget: { budgetPercent: 20, minRetryConcurrency: 3 },
};

const rows: readonly (readonly [key: string, value: string, changed: object])[] = [
  ['c.default.max_connections', '7', { maxConnections: 7 }],
  ['c.default.max_pending_requests', '0', { maxPendingRequests: 0 }],
  ['c.default.max_requests', '8', { maxRequests: 8 }],
  ['c.default.max_retries', '9', { maxRetries: 9 }],
  ['c.default.max_connection_pools', '2', { maxConnectionPools: 2 }],
  [
    'c.default.retry_budget.budget_percent',
    '12.5',
    { retryBudget: { budgetPercent: 12.5, minRetryConcurrency: 3 } },
  ],
  [
    'c.default.retry_budget.min_retry_concurrency',
    '1',
    { retryBudget: { budgetPercent: 20, minRetryConcurrency: 1 } },
  ],
  ['c.high.max_requests', '8', {}],
  ['other.default.max_requests', '8', {}],
];

t.test('runtimeLimits', (t) => {
  for (const [key, value, changed] of rows) {
    const runtime = new Runtime(new Map([[`circuit_breakers.${key}`, value]]));
    const { maxConnectionPools, ...found } = runtimeLimits(limits, 'c', 'DEFAULT', runtime);
    const { maxConnectionPools: pools, ...expected } = { ...limits, ...changed };
    t.same(found, expected, key);
    t.equal(maxConnectionPools ?? Infinity, pools ?? Infinity, key);
  }
  t.equal(runtimeLimits(limits, 'c', 'DEFAULT', Runtime.EMPTY), limits, 'nothing is said');
  t.end();
});
