// [b] Limits of circuit breakers as the runtime has them: `circuit_breakers.<cluster>.<default|high>.max_requests` and the like go before
// what the cluster says (envoy-behaviour §7.3).
import type { Runtime } from '../base/runtime.ts';
import type { CircuitBreakerConfig } from '../config/cluster-config.ts';
import type { BreakerReader } from './circuit-breaker-stats.ts';
import type { Priority } from './resource-manager.ts';

const PREFIX = 'circuit_breakers.';

export function runtimeLimits(
  config: CircuitBreakerConfig,
  cluster: string,
  priority: Priority,
  runtime: Runtime,
): CircuitBreakerConfig {
  const prefix = `${PREFIX}${cluster}.${priority.toLowerCase()}.`;
  if (!runtime.hasKeys(prefix)) return config;
  const limit = (name: string, fallback: number): number =>
    runtime.integer(prefix + name, fallback);
  const { retryBudget, maxConnectionPools } = config;
  return {
    ...config,
    maxConnections: limit('max_connections', config.maxConnections),
    maxPendingRequests: limit('max_pending_requests', config.maxPendingRequests),
    maxRequests: limit('max_requests', config.maxRequests),
    maxRetries: limit('max_retries', config.maxRetries),
    maxConnectionPools: limit('max_connection_pools', maxConnectionPools ?? Infinity),
    retryBudget: retryBudget && {
      budgetPercent: runtime.number(
        `${prefix}retry_budget.budget_percent`,
        retryBudget.budgetPercent,
      ),
      minRetryConcurrency: limit(
        'retry_budget.min_retry_concurrency',
        retryBudget.minRetryConcurrency,
      ),
    },
  };
}

/** The same counts, against the runtime's limits. */
export const runtimeReader = (reader: BreakerReader, runtime: Runtime): BreakerReader => ({
  read: (cluster, priority, config) =>
    reader.read(cluster, priority, runtimeLimits(config, cluster, priority, runtime)),
});
