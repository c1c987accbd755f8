// [m] Decodes clusters (envoy-behaviour §7, istio-contract §4).
import type { Cluster } from '../../xds-protos/gen/envoy.config.cluster.v3.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type {
  UpstreamHttpConfig,
  ClusterConfig,
  TransportSocketMatchConfig,
} from '../config/cluster-config.ts';
import { decodeCircuitBreakers } from './circuit-breaker-decoder.ts';
import {
  checkPolicyFits,
  decodeDiscovery,
  decodeEds,
  decodeInlineEndpoints,
  decodeOriginalDst,
  dropOverloads,
} from './cluster-discovery-decoder.ts';
import { ConfigProblems } from './config-problems.ts';
import type { FieldObserver } from './config-problems.ts';
import { FieldReader } from './field-reader.ts';
import { INERT_CLUSTER_FILTERS } from './known-extensions.ts';
import { decodeLoadBalancing } from './load-balancing-decoder.ts';
import { decodeOverrideStatuses } from './load-balancing-settings-decoder.ts';
import { decodeMetadata, structLabels } from './metadata-decoder.ts';
import { decodeOutlierDetection } from './outlier-detection-decoder.ts';
import { decodeBindConfig, decodeKeepalive } from './socket-option-decoder.ts';
import { decodeTransportSocket } from './transport-socket-decoder.ts';
import { typedConfigOf } from './typed-config.ts';
import { decodeUpstreamHttp } from './upstream-http-decoder.ts';

const healthChecks = lazyPart<typeof import('./health-check-decoder.ts')>(
  'xds/health-check-decoder',
);

const DEFAULT_CONNECT_TIMEOUT_MS = 5000;
const DEFAULT_BUFFER_LIMIT_BYTES = 1_048_576;
const DEFAULT_PANIC_PERCENT = 50;
const DEFAULT_OVERPROVISIONING_PERCENT = 140;

type Reader = FieldReader<Cluster>;

export interface ClusterSource {
  /** '' for a static cluster. */
  readonly version: string;
  readonly addedViaApi: boolean;
}

/** Throws ConfigError with every problem. */
export function decodeCluster(
  message: Cluster,
  source: ClusterSource,
  watch?: FieldObserver,
): ClusterConfig {
  const problems = new ConfigProblems(watch);
  const config = readCluster(new FieldReader(message, '', problems), source);
  problems.throwIfAny();
  return config;
}

/** The same for a cluster inside a larger message: problems go to the reader's collector. */
export function readCluster(reader: Reader, source: ClusterSource): ClusterConfig {
  const name = reader.requiredString('name');
  const { type, mayBeInsecure, ...discovery } = decodeDiscovery(reader);
  const endpoints = decodeInlineEndpoints(reader, type);
  const lbPolicy = decodeLoadBalancing(reader);
  checkPolicyFits(reader, type, lbPolicy);
  const filterNotes = decodeClusterFilters(reader);
  const anyHttp = decodeUpstreamHttp(reader);
  const http = mayBeInsecure === false ? heldToItsName(reader, anyHttp) : anyHttp;
  return {
    name,
    statName: (reader.nonEmpty('alt_stat_name') ?? name).replaceAll(':', '_'),
    altStatName: reader.nonEmpty('alt_stat_name'),
    version: source.version,
    addedViaApi: source.addedViaApi,
    type,
    ...decodeEds(reader, type),
    localities: endpoints?.localities ?? [],
    lbPolicy,
    connectTimeoutMs: reader.has('connect_timeout')
      ? reader.positiveDurationMs('connect_timeout', DEFAULT_CONNECT_TIMEOUT_MS)
      : DEFAULT_CONNECT_TIMEOUT_MS,
    circuitBreakers: decodeCircuitBreakers(reader),
    perConnectionBufferLimitBytes: reader.number(
      'per_connection_buffer_limit_bytes',
      DEFAULT_BUFFER_LIMIT_BYTES,
    ),
    ...decodeSockets(reader),
    http,
    tcpKeepalive: decodeKeepalive(
      reader.child('upstream_connection_options')?.child('tcp_keepalive'),
    ),
    measures: decodeMeasures(reader),
    closeConnectionsOnHostFailure: reader.bool('close_connections_on_host_health_failure'),
    drainOnHostSetChange:
      reader.child('common_lb_config')?.bool('close_connections_on_host_set_change') ?? false,
    poolPerDownstreamConnection: reader.bool('connection_pool_per_downstream_connection'),
    preconnectRatio: decodePreconnect(reader),
    preconnectAheadRatio: aheadRatio(reader, lbPolicy),
    bind: decodeBindConfig(reader.child('upstream_bind_config'), `Cluster ${name}`),
    happyEyeballs: decodeHappyEyeballs(reader),
    originalDst: decodeOriginalDst(reader, type),
    ...discovery,
    ...(!reader.bool('wait_for_warm_on_init', true) && { waitForWarmOnInit: false }),
    panicThresholdPercent: decodePanicThreshold(reader),
    ...overrideStatuses(reader),
    overprovisioningPercent: endpoints?.overprovisioningPercent ?? DEFAULT_OVERPROVISIONING_PERCENT,
    dropOverloads: dropOverloads(endpoints),
    ...(endpoints?.weightedPriorityHealth === true && { weightedPriorityHealth: true }),
    ...decodeHealth(reader, type, http.protocol !== 'http1'),
    metadata: decodeMetadata(reader.child('metadata')),
    inert: [...filterNotes, ...inertFields(reader, type)],
  };
}

/** What tells good hosts from bad ones; absent fields where nothing does: most clusters have none. */
function decodeHealth(
  reader: Reader,
  type: ClusterConfig['type'],
  http2: boolean,
): Partial<ClusterConfig> {
  const healthCheck = reader.has('health_checks')
    ? healthChecks().decodeHealthCheck(reader, http2)
    : undefined;
  const outlierDetection = type === 'ORIGINAL_DST' ? undefined : decodeOutlierDetection(reader);
  if (healthCheck === undefined) return outlierDetection === undefined ? {} : { outlierDetection };
  return {
    healthCheck,
    outlierDetection,
    ignoreNewHostsUntilFirstCheck:
      reader.child('common_lb_config')?.bool('ignore_new_hosts_until_first_hc') ?? false,
    ignoreHealthOnHostRemoval: reader.bool('ignore_health_on_host_removal'),
  };
}

function decodeSockets(
  reader: Reader,
): Pick<ClusterConfig, 'transportSocket' | 'transportSocketMatches' | 'sendsProxyHeader'> {
  const transportSocket = decodeTransportSocket(reader.child('transport_socket'), 'upstream');
  const transportSocketMatches = decodeSocketMatches(reader);
  const sockets = [transportSocket, ...transportSocketMatches.map((m) => m.transportSocket)];
  const sendsProxyHeader = sockets.some(({ proxyProtocol }) => proxyProtocol !== undefined);
  return {
    transportSocket,
    transportSocketMatches,
    ...(sendsProxyHeader && { sendsProxyHeader }),
  };
}

/** Accepted, not built yet: traffic flows without them. */
const INERT_FIELDS = ['lrs_server'] as const;

const inertFields = (reader: Reader, type: ClusterConfig['type']): readonly string[] => [
  ...INERT_FIELDS.filter((field) => reader.has(field)),
  ...inertOptions(reader),
  // Its hosts are known to workers alone.
  ...(type === 'ORIGINAL_DST' && reader.has('outlier_detection') ? ['outlier_detection'] : []),
];

/** A dynamic forward proxy: its hosts are whoever clients name, so their certificates have to say that name, as in Envoy. */
function heldToItsName(reader: Reader, http: UpstreamHttpConfig): UpstreamHttpConfig {
  if (http.autoTls?.sni === true && http.autoTls.sanValidation) return http;
  if (
    reader.has('typed_extension_protocol_options') ||
    reader.has('upstream_http_protocol_options')
  ) {
    reader.problem(
      'typed_extension_protocol_options',
      'dynamic_forward_proxy cluster must have auto_sni and auto_san_validation true unless allow_insecure_cluster_options is set',
    );
  }
  return { ...http, autoTls: { sni: true, sanValidation: true, header: '' } };
}

function decodeClusterFilters(reader: Reader): readonly string[] {
  const notes: string[] = [];
  for (const filter of reader.children('filters')) {
    const name = filter.requiredString('name');
    filter.refuse('config_discovery');
    const config = typedConfigOf(filter);
    if (config === undefined) continue;
    if (INERT_CLUSTER_FILTERS.has(config.typeName)) notes.push(name);
    else config.unknown(name);
  }
  return notes;
}

function decodeSocketMatches(reader: Reader): readonly TransportSocketMatchConfig[] {
  reader.refuse('transport_socket_matcher');
  return reader.children('transport_socket_matches').map((match) => ({
    name: match.requiredString('name'),
    match: structLabels(match.message.match),
    transportSocket: decodeTransportSocket(match.child('transport_socket'), 'upstream'),
  }));
}

function decodeMeasures(reader: Reader): ClusterConfig['measures'] {
  const track = reader.child('track_cluster_stats');
  const timeoutBudgets =
    track?.bool('timeout_budgets') === true || reader.bool('track_timeout_budgets');
  const sizes = track?.bool('request_response_sizes') ?? false;
  return timeoutBudgets || sizes ? { timeoutBudgets, sizes } : undefined;
}

/** Parts of fields that are otherwise built. */
function inertOptions(reader: Reader): readonly string[] {
  const notes: string[] = [];
  if (reader.child('track_cluster_stats')?.bool('per_endpoint_stats') === true)
    notes.push('track_cluster_stats.per_endpoint_stats');
  return notes;
}

/** Of balancers whose next choices can be known, as in Envoy. */
function aheadRatio(
  reader: Reader,
  policy: ClusterConfig['lbPolicy'],
): ClusterConfig['preconnectAheadRatio'] {
  const ratio = reader.message.preconnect_policy?.predictive_preconnect_ratio ?? 1;
  return ratio > 1 && ['round_robin', 'least_request', 'random'].includes(policy.kind)
    ? ratio
    : undefined;
}

function decodePreconnect(reader: Reader): number | undefined {
  const policy = reader.child('preconnect_policy');
  for (const field of ['per_upstream_preconnect_ratio', 'predictive_preconnect_ratio'] as const) {
    const ratio = policy?.message[field] ?? 1;
    const most = field === 'per_upstream_preconnect_ratio' ? 3 : Infinity;
    if (!(ratio >= 1 && ratio <= most))
      policy?.problem(field, most === 3 ? 'must be from 1 to 3' : 'must be at least 1');
  }
  return policy?.message.per_upstream_preconnect_ratio;
}

function decodeHappyEyeballs(reader: Reader): ClusterConfig['happyEyeballs'] {
  const config = reader.child('upstream_connection_options')?.child('happy_eyeballs_config');
  return (
    config && {
      firstFamily: config.enumName('first_address_family_version', 'DEFAULT'),
      firstFamilyCount: config.number('first_address_family_count', 1, 1),
    }
  );
}

function overrideStatuses(reader: Reader): Pick<ClusterConfig, 'overrideHostStatuses'> {
  const statuses = decodeOverrideStatuses(reader.child('common_lb_config'));
  return statuses === undefined ? {} : { overrideHostStatuses: statuses };
}

function decodePanicThreshold(reader: Reader): number {
  const threshold = reader.child('common_lb_config')?.child('healthy_panic_threshold');
  // Present and empty means 0: the panic mode is off (Istio's outlier detection).
  return threshold === undefined ? DEFAULT_PANIC_PERCENT : threshold.number('value', 0, 0, 100);
}
