// [m] DestinationRule traffic policies: merging of rule, port and subset, and what they set in a cluster. Istio: core/cluster_traffic_policy.go.
import { anyOf, durationOf } from './json.ts';
import type { JsonObject } from './json.ts';
import type {
  ConnectionPool,
  LoadBalancer,
  OriginationTls,
  OutlierDetection,
  Protocol,
  TrafficPolicy,
} from './istio-model.ts';
import { isHttp2 } from './names.ts';

/** Of a policy, what holds for one port: a port's settings replace, field by field, those of the whole. */
function forPort(policy: TrafficPolicy | undefined, port: number): TrafficPolicy | undefined {
  const own = policy?.portLevel.get(port);
  // With settings for the port, the settings of the whole hold only for fields that the port leaves out entirely.
  return own === undefined ? policy : merge(policy, own);
}

function merge(
  base: TrafficPolicy | undefined,
  over: TrafficPolicy | undefined,
): TrafficPolicy | undefined {
  if (base === undefined || over === undefined) return over ?? base;
  return {
    loadBalancer: over.loadBalancer ?? base.loadBalancer,
    connectionPool: over.connectionPool ?? base.connectionPool,
    outlierDetection: over.outlierDetection ?? base.outlierDetection,
    tlsMode: over.tlsMode ?? base.tlsMode,
    origination: over.tlsMode === undefined ? base.origination : over.origination,
    portLevel: base.portLevel,
  };
}

/** A subset's policy over the rule's, each narrowed to the port. */
export function effectivePolicy(
  rule: TrafficPolicy | undefined,
  subset: TrafficPolicy | undefined,
  port: number,
): TrafficPolicy | undefined {
  return merge(forPort(rule, port), forPort(subset, port));
}

const UNLIMITED = 4294967295;

export function circuitBreakers(pool: ConnectionPool | undefined): JsonObject {
  return {
    thresholds: [
      {
        max_connections: limit(pool?.maxConnections),
        max_pending_requests: limit(pool?.maxPendingRequests),
        max_requests: limit(pool?.maxRequests),
        max_retries: limit(pool?.maxRetries),
        track_remaining: true,
      },
    ],
  };
}

/** In Istio 0 is "not given". */
const limit = (value: number | undefined): number =>
  value === undefined || value === 0 ? UNLIMITED : value;

const seconds = (ms: number | undefined): number | undefined =>
  ms === undefined ? undefined : Math.floor(ms / 1000);
const duration = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : durationOf(ms);

export function upstreamConnectionOptions(
  pool: ConnectionPool | undefined,
): JsonObject | undefined {
  const keepalive = pool?.keepalive;
  if (keepalive === undefined) return undefined;
  return {
    tcp_keepalive: {
      keepalive_probes: keepalive.probes,
      keepalive_time: seconds(keepalive.timeMs),
      keepalive_interval: seconds(keepalive.intervalMs),
    },
  };
}

export function outlierDetection(outlier: OutlierDetection): JsonObject {
  const { consecutive5xx, consecutiveGatewayErrors: gateway } = outlier;
  const enforcing = (count: number | undefined): number | undefined =>
    count === undefined ? undefined : count > 0 ? 100 : 0;
  const local = outlier.splitLocalOrigin;
  return {
    consecutive_5xx: consecutive5xx,
    interval: duration(outlier.intervalMs),
    base_ejection_time: duration(outlier.baseEjectionMs),
    max_ejection_percent: outlier.maxEjectionPercent === 0 ? undefined : outlier.maxEjectionPercent,
    enforcing_consecutive_5xx: enforcing(consecutive5xx),
    enforcing_success_rate: 0,
    consecutive_gateway_failure: gateway,
    enforcing_consecutive_gateway_failure: enforcing(gateway),
    split_external_local_origin_errors: local ? true : undefined,
    consecutive_local_origin_failure: local ? outlier.consecutiveLocalOriginFailures : undefined,
    enforcing_consecutive_local_origin_failure: local
      ? enforcing(outlier.consecutiveLocalOriginFailures)
      : undefined,
    enforcing_local_origin_success_rate: local ? 0 : undefined,
  };
}

function slowStart(balancer: LoadBalancer | undefined): JsonObject | undefined {
  const warmup = balancer?.warmup;
  if (warmup === undefined) return undefined;
  const { minimumPercent, aggression } = warmup;
  return {
    slow_start_config: {
      slow_start_window: durationOf(warmup.durationMs),
      // The key is an accident of istiod's; it is sent all the same, so that a dump compares equal.
      aggression:
        aggression === undefined ? undefined : { default_value: aggression, runtime_key: '(' },
      min_weight_percent: minimumPercent === undefined ? undefined : { value: minimumPercent },
    },
  };
}

/** lb_policy and its settings; `originalDst` where the balancer takes no part. */
export interface BalancerFields {
  readonly originalDst: boolean;
  readonly fields: JsonObject;
}

export function balancerFields(balancer: LoadBalancer | undefined): BalancerFields {
  const hash = balancer?.consistentHash;
  if (hash !== undefined) {
    if (hash.maglevTableSize !== undefined) {
      const size = hash.maglevTableSize;
      return {
        originalDst: false,
        fields: {
          lb_policy: 'MAGLEV',
          maglev_lb_config: size === 0 ? undefined : { table_size: String(size) },
        },
      };
    }
    const ring = hash.minimumRingSize ?? 0;
    return {
      originalDst: false,
      fields: {
        lb_policy: 'RING_HASH',
        ring_hash_lb_config: ring === 0 ? undefined : { minimum_ring_size: String(ring) },
      },
    };
  }
  switch (balancer?.simple) {
    case 'RANDOM':
      return { originalDst: false, fields: { lb_policy: 'RANDOM' } };
    case 'ROUND_ROBIN':
      return {
        originalDst: false,
        fields: { lb_policy: 'ROUND_ROBIN', round_robin_lb_config: slowStart(balancer) },
      };
    case 'PASSTHROUGH':
      return { originalDst: true, fields: { lb_policy: 'CLUSTER_PROVIDED' } };
    case 'UNSPECIFIED':
    case 'LEAST_REQUEST':
    case 'LEAST_CONN':
    case undefined:
      return {
        originalDst: false,
        fields: { lb_policy: 'LEAST_REQUEST', least_request_lb_config: slowStart(balancer) },
      };
  }
}

/** Where no server name is given it is the request's, and the certificate must have it unless names are given. */
function serverNameByHost(origination: OriginationTls | undefined): JsonObject | undefined {
  if (origination === undefined || origination.sni !== undefined) return undefined;
  const { subjectAltNames, insecureSkipVerify } = origination;
  return {
    auto_sni: true,
    auto_san_validation: subjectAltNames.length === 0 && !insecureSkipVerify ? true : undefined,
  };
}

/** HttpProtocolOptions of a cluster, absent where everything is at Envoy's default (HTTP/1.1). */
// oxlint-disable-next-line eslint/complexity -- the message as a literal: each field with its absence
export function httpProtocolOptions(
  pool: ConnectionPool | undefined,
  protocol: Protocol,
  origination?: OriginationTls,
): JsonObject | undefined {
  const byHost = serverNameByHost(origination);
  const http2 = isHttp2(protocol);
  // On a port that declares nothing the upstream side speaks what the downstream side spoke.
  const asClient = protocol === 'AUTO' || pool?.useClientProtocol === true;
  const idleMs = pool?.httpIdleTimeoutMs ?? pool?.tcpIdleTimeoutMs;
  const maxRequests =
    pool?.maxRequestsPerConnection === 0 ? undefined : pool?.maxRequestsPerConnection;
  const common =
    idleMs === undefined && maxRequests === undefined && pool?.maxConnectionDurationMs === undefined
      ? undefined
      : {
          idle_timeout: duration(idleMs),
          max_connection_duration: duration(pool?.maxConnectionDurationMs),
          max_requests_per_connection: maxRequests,
        };
  const useHttp2 = http2 || pool?.h2Upgrade === true;
  if (common === undefined && !useHttp2 && !asClient && byHost === undefined) return undefined;
  const streams =
    http2 && pool?.maxConcurrentStreams !== undefined
      ? { max_concurrent_streams: pool.maxConcurrentStreams }
      : {};
  return {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': anyOf(
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      {
        upstream_http_protocol_options: byHost,
        common_http_protocol_options: common ?? (pool?.h2Upgrade === true ? {} : undefined),
        ...(asClient
          ? {
              use_downstream_protocol_config: {
                http_protocol_options: {},
                http2_protocol_options: {},
              },
            }
          : {
              explicit_http_config: useHttp2
                ? { http2_protocol_options: streams }
                : { http_protocol_options: {} },
            }),
      },
    ),
  };
}
