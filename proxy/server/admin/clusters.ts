// [m] /clusters: text and JSON (envoy-behaviour §12.3).
import { toJson } from '../../../xds-protos/proto-json.ts';
import type * as admin from '../../../xds-protos/gen/envoy.admin.v3.ts';
import type { CircuitBreakerConfig } from '../../config/cluster-config.ts';
import { HealthFlag } from '../../upstream/host-health.ts';
import { addressText, saysCanary } from '../../upstream/host.ts';
import type {
  AdminContext,
  ClusterHostReport,
  ClusterReport,
  OutlierReport,
} from '../admin-context.ts';
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

/** As it was written: logs call the cluster so. */
const observabilityName = ({ config }: ClusterReport): string => config.altStatName ?? config.name;

function clusterText(cluster: ClusterReport): string {
  const { config } = cluster;
  const lines = [`observability_name::${observabilityName(cluster)}`];
  if (cluster.outlier !== undefined) lines.push(...outlierLines(cluster.outlier));
  lines.push(...breakerLines('default', config.circuitBreakers.default));
  lines.push(...breakerLines('high', config.circuitBreakers.high));
  lines.push(`added_via_api::${config.addedViaApi}`);
  if (config.type === 'EDS' && config.edsServiceName !== '')
    lines.push(`eds_service_name::${config.edsServiceName}`);
  lines.push(...cluster.hosts.flatMap(hostLines));
  return lines.map((line) => `${config.name}::${line}\n`).join('');
}

const breakerLines = (priority: string, limits: CircuitBreakerConfig): readonly string[] => [
  `${priority}_priority::max_connections::${limits.maxConnections}`,
  `${priority}_priority::max_pending_requests::${limits.maxPendingRequests}`,
  `${priority}_priority::max_requests::${limits.maxRequests}`,
  `${priority}_priority::max_retries::${limits.maxRetries}`,
];

const outlierLines = ({ external, localOrigin }: OutlierReport): readonly string[] => [
  `outlier::success_rate_average::${decimal(external.average)}`,
  `outlier::success_rate_ejection_threshold::${decimal(external.threshold)}`,
  `outlier::local_origin_success_rate_average::${decimal(localOrigin.average)}`,
  `outlier::local_origin_success_rate_ejection_threshold::${decimal(localOrigin.threshold)}`,
];

/** Six digits that count, as `%g` prints. */
const decimal = (value: number): string => String(Number(value.toPrecision(6)));

/** In Envoy's order. */
const FLAG_NAMES: readonly (readonly [flag: number, name: string])[] = [
  [HealthFlag.FailedActiveCheck, 'failed_active_hc'],
  [HealthFlag.FailedOutlierCheck, 'failed_outlier_check'],
  [HealthFlag.FailedEds, 'failed_eds_health'],
  [HealthFlag.DegradedActiveCheck, 'degraded_active_hc'],
  [HealthFlag.DegradedEds, 'degraded_eds_health'],
  [HealthFlag.PendingRemoval, 'pending_dynamic_removal'],
  [HealthFlag.PendingFirstCheck, 'pending_active_hc'],
  [HealthFlag.ExcludedByResponse, 'excluded_via_immediate_hc_fail'],
  [HealthFlag.ActiveCheckTimeout, 'active_hc_timeout'],
  [HealthFlag.DrainingEds, 'eds_status_draining'],
  [HealthFlag.DegradedOutlierCheck, 'degraded_outlier_detection'],
];

function flagText(flags: number): string {
  const names = FLAG_NAMES.filter(([flag]) => (flags & flag) !== 0).map(([, name]) => `/${name}`);
  return names.length === 0 ? 'healthy' : names.join('');
}

function hostLines(host: ClusterHostReport): readonly string[] {
  const { endpoint, counts } = host;
  const facts: readonly (readonly [string, string | number])[] = [
    ['cx_active', counts.cxActive],
    ['cx_connect_fail', counts.cxConnectFail],
    ['cx_total', counts.cxTotal],
    ['rq_active', counts.rqActive],
    ['rq_error', counts.rqError],
    ['rq_pending_active', counts.rqPendingActive],
    ['rq_success', counts.rqSuccess],
    ['rq_timeout', counts.rqTimeout],
    ['rq_total', counts.rqTotal],
    ['hostname', endpoint.hostname],
    ['health_flags', flagText(host.flags)],
    ['weight', endpoint.weight],
    ['region', host.region],
    ['zone', host.zone],
    ['sub_zone', host.subZone],
    ['canary', String(saysCanary(endpoint))],
    ['priority', host.priority],
    ['success_rate', decimal(host.successRate)],
    ['local_origin_success_rate', decimal(host.localOriginSuccessRate)],
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
    ...(config.type === 'EDS' && config.edsServiceName !== ''
      ? { eds_service_name: config.edsServiceName }
      : {}),
    ...(cluster.outlier === undefined ? {} : thresholdFields(cluster.outlier)),
  };
}

function thresholdFields({ external, localOrigin }: OutlierReport): Partial<admin.ClusterStatus> {
  return {
    ...(external.threshold > 0
      ? { success_rate_ejection_threshold: { value: external.threshold } }
      : {}),
    ...(localOrigin.threshold > 0
      ? { local_origin_success_rate_ejection_threshold: { value: localOrigin.threshold } }
      : {}),
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
      gauge('rq_pending_active', counts.rqPendingActive),
    ],
    health_status: healthStatus(host.flags),
    ...rateFields(host),
    weight: endpoint.weight,
    hostname: endpoint.hostname,
    priority: host.priority,
    locality: { region: host.region, zone: host.zone, sub_zone: host.subZone },
  };
}

function healthStatus(flags: number): admin.HostHealthStatus {
  const has = (flag: number): boolean => (flags & flag) !== 0;
  return {
    failed_active_health_check: has(HealthFlag.FailedActiveCheck),
    failed_outlier_check: has(HealthFlag.FailedOutlierCheck),
    failed_active_degraded_check: has(HealthFlag.DegradedActiveCheck),
    pending_dynamic_removal: has(HealthFlag.PendingRemoval),
    pending_active_hc: has(HealthFlag.PendingFirstCheck),
    excluded_via_immediate_hc_fail: has(HealthFlag.ExcludedByResponse),
    active_hc_timeout: has(HealthFlag.ActiveCheckTimeout),
    failed_degraded_outlier_detection: has(HealthFlag.DegradedOutlierCheck),
    eds_health_status: edsStatus(flags),
  };
}

function edsStatus(flags: number): 'HEALTHY' | 'UNHEALTHY' | 'DEGRADED' | 'DRAINING' {
  if ((flags & HealthFlag.FailedEds) !== 0) return 'UNHEALTHY';
  if ((flags & HealthFlag.DegradedEds) !== 0) return 'DEGRADED';
  return (flags & HealthFlag.DrainingEds) !== 0 ? 'DRAINING' : 'HEALTHY';
}

function rateFields(host: ClusterHostReport): Partial<admin.HostStatus> {
  const { successRate, localOriginSuccessRate } = host;
  return {
    ...(successRate >= 0 ? { success_rate: { value: successRate } } : {}),
    ...(localOriginSuccessRate >= 0
      ? { local_origin_success_rate: { value: localOriginSuccessRate } }
      : {}),
  };
}
