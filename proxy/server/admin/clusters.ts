// [m] /clusters: text and JSON (envoy-behaviour §12.3).
import { toJson } from '../../../xds-protos/proto-json.ts';
import type * as admin from '../../../xds-protos/gen/envoy.admin.v3.ts';
import type { CircuitBreakerConfig } from '../../config/cluster-config.ts';
import { addressText } from '../../upstream/host.ts';
import type { AdminContext, ClusterHostReport, ClusterReport } from '../admin-context.ts';
import { addressMessage } from './address-message.ts';
import { jsonResponse, textResponse } from './admin-endpoint.ts';
import type { AdminResponse } from './admin-endpoint.ts';
import type { AdminQuery } from './admin-query.ts';
import { compileAdminRegex } from './admin-regex.ts';

export async function handleClusters(
  context: AdminContext,
  query: AdminQuery,
): Promise<AdminResponse> {
  const pattern = query.get('filter');
  const filter = pattern === undefined ? undefined : compileAdminRegex(pattern);
  if (filter?.ok === false) return textResponse(`Invalid re2 regex: ${filter.error}`, 400);
  const all = await context.collectClusters();
  const clusters = all.filter(
    ({ config }) => filter === undefined || filter.regex.test(config.name),
  );
  if (query.get('format') !== 'json') return textResponse(clusters.map(clusterText).join(''));
  return jsonResponse(
    toJson('envoy.admin.v3.Clusters', { cluster_statuses: clusters.map(clusterMessage) }),
  );
}

/** The stat name where it says more than the name with `:` replaced. */
function observabilityName({ config }: ClusterReport): string {
  return config.statName === config.name.replaceAll(':', '_') ? config.name : config.statName;
}

function clusterText(cluster: ClusterReport): string {
  const { config } = cluster;
  const lines = [`observability_name::${observabilityName(cluster)}`];
  lines.push(...breakerLines('default', config.circuitBreakers.default));
  lines.push(...breakerLines('high', config.circuitBreakers.high));
  lines.push(`added_via_api::${config.addedViaApi}`);
  if (config.type === 'EDS') lines.push(`eds_service_name::${config.edsServiceName}`);
  lines.push(...cluster.hosts.flatMap(hostLines));
  return lines.map((line) => `${config.name}::${line}\n`).join('');
}

const breakerLines = (priority: string, limits: CircuitBreakerConfig): readonly string[] => [
  `${priority}_priority::max_connections::${limits.maxConnections}`,
  `${priority}_priority::max_pending_requests::${limits.maxPendingRequests}`,
  `${priority}_priority::max_requests::${limits.maxRequests}`,
  `${priority}_priority::max_retries::${limits.maxRetries}`,
];

const HEALTH_FLAGS = {
  HEALTHY: 'healthy',
  UNHEALTHY: '/failed_eds_health',
  DEGRADED: '/degraded_eds_health',
} as const;

function hostLines(host: ClusterHostReport): readonly string[] {
  const { endpoint, counts } = host;
  const facts: readonly (readonly [string, string | number])[] = [
    ['cx_active', counts.cxActive],
    ['cx_connect_fail', counts.cxConnectFail],
    ['cx_total', counts.cxTotal],
    ['rq_active', counts.rqActive],
    ['rq_error', counts.rqError],
    ['rq_success', counts.rqSuccess],
    ['rq_timeout', counts.rqTimeout],
    ['rq_total', counts.rqTotal],
    ['hostname', endpoint.hostname],
    ['health_flags', HEALTH_FLAGS[endpoint.health]],
    ['weight', endpoint.weight],
    ['region', host.region],
    ['zone', host.zone],
    ['sub_zone', host.subZone],
    ['canary', 'false'],
    ['priority', host.priority],
    ['success_rate', '-1'],
    ['local_origin_success_rate', '-1'],
  ];
  const address = addressText(endpoint.address);
  return facts.map(([name, value]) => `${address}::${name}::${value}`);
}

function clusterMessage(cluster: ClusterReport): admin.ClusterStatus {
  const { config } = cluster;
  const { default: normal, high } = config.circuitBreakers;
  return {
    name: config.name,
    added_via_api: config.addedViaApi,
    host_statuses: cluster.hosts.map(hostMessage),
    circuit_breakers: {
      thresholds: [thresholds(normal), { priority: 'HIGH', ...thresholds(high) }],
    },
    observability_name: observabilityName(cluster),
    ...(config.type === 'EDS' ? { eds_service_name: config.edsServiceName } : {}),
  };
}

const thresholds = (limits: CircuitBreakerConfig) => ({
  max_connections: limits.maxConnections,
  max_pending_requests: limits.maxPendingRequests,
  max_requests: limits.maxRequests,
  max_retries: limits.maxRetries,
});

const metric = (name: string, value: number): admin.SimpleMetric => ({
  name,
  value: BigInt(Math.max(0, value)),
});
const gauge = (name: string, value: number): admin.SimpleMetric => ({
  type: 'GAUGE',
  ...metric(name, value),
});

function hostMessage(host: ClusterHostReport): admin.HostStatus {
  const { endpoint, counts } = host;
  return {
    address: addressMessage(endpoint.address),
    stats: [
      metric('cx_connect_fail', counts.cxConnectFail),
      metric('cx_total', counts.cxTotal),
      metric('rq_error', counts.rqError),
      metric('rq_success', counts.rqSuccess),
      metric('rq_timeout', counts.rqTimeout),
      metric('rq_total', counts.rqTotal),
      gauge('cx_active', counts.cxActive),
      gauge('rq_active', counts.rqActive),
    ],
    health_status: { eds_health_status: endpoint.health },
    weight: endpoint.weight,
    hostname: endpoint.hostname,
    priority: host.priority,
    locality: { region: host.region, zone: host.zone, sub_zone: host.subZone },
  };
}
