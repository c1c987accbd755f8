// [m] Decodes circuit breakers per priority (envoy-behaviour §7.3).
import type {
  CircuitBreakers_Thresholds,
  Cluster,
} from '../../xds-protos/gen/envoy.config.cluster.v3.ts';
import type { CircuitBreakerConfig, ClusterConfig } from '../config/cluster-config.ts';
import type { FieldReader } from './field-reader.ts';

const DEFAULTS: CircuitBreakerConfig = {
  maxConnections: 1024,
  maxPendingRequests: 1024,
  maxRequests: 1024,
  maxRetries: 3,
  retryBudget: undefined,
  trackRemaining: false,
};

export function decodeCircuitBreakers(
  reader: FieldReader<Cluster>,
): ClusterConfig['circuitBreakers'] {
  const breakers = reader.child('circuit_breakers');
  const perHost = decodePerHost(breakers?.children('per_host_thresholds') ?? []);
  const byPriority = new Map<'DEFAULT' | 'HIGH', CircuitBreakerConfig>();
  for (const thresholds of breakers?.children('thresholds') ?? []) {
    const priority = thresholds.enumName('priority', 'DEFAULT');
    // As in Envoy the first entry of a priority counts.
    if (!byPriority.has(priority)) byPriority.set(priority, decodeThresholds(thresholds));
  }
  return {
    default: { ...(byPriority.get('DEFAULT') ?? DEFAULTS), ...perHost.get('DEFAULT') },
    high: { ...(byPriority.get('HIGH') ?? DEFAULTS), ...perHost.get('HIGH') },
  };
}

type PerHost = Pick<CircuitBreakerConfig, 'maxConnectionsPerHost'>;

/** Of each host; Envoy takes `max_connections` alone. */
function decodePerHost(
  list: readonly FieldReader<CircuitBreakers_Thresholds>[],
): ReadonlyMap<'DEFAULT' | 'HIGH', PerHost> {
  const byPriority = new Map<'DEFAULT' | 'HIGH', PerHost>();
  for (const thresholds of list) {
    const priority = thresholds.enumName('priority', 'DEFAULT');
    for (const field of UNSUPPORTED_PER_HOST)
      if (thresholds.has(field)) thresholds.problem('', 'Unsupported field in per_host_thresholds');
    if (!byPriority.has(priority)) {
      const maxConnectionsPerHost = thresholds.optionalNumber('max_connections');
      byPriority.set(priority, { maxConnectionsPerHost });
    }
  }
  return byPriority;
}

const UNSUPPORTED_PER_HOST = [
  'max_pending_requests',
  'max_requests',
  'max_retries',
  'retry_budget',
  'max_connection_pools',
] as const;

function decodeThresholds(reader: FieldReader<CircuitBreakers_Thresholds>): CircuitBreakerConfig {
  const budget = reader.child('retry_budget');
  return {
    maxConnections: reader.number('max_connections', DEFAULTS.maxConnections),
    maxPendingRequests: reader.number('max_pending_requests', DEFAULTS.maxPendingRequests),
    maxRequests: reader.number('max_requests', DEFAULTS.maxRequests),
    maxRetries: reader.number('max_retries', DEFAULTS.maxRetries),
    retryBudget: budget && {
      budgetPercent: budget.child('budget_percent')?.number('value', 0, 0, 100) ?? 20,
      minRetryConcurrency: budget.number('min_retry_concurrency', 3),
    },
    trackRemaining: reader.bool('track_remaining'),
    maxConnectionPools: reader.optionalNumber('max_connection_pools'),
  };
}
