// [m] Decodes how a cluster finds its hosts: type, endpoints given inline, DNS and original-destination settings
// (envoy-behaviour §7.1, istio-contract §4.2).
import type {
  Cluster,
  Cluster_OriginalDstLbConfig,
} from '../../xds-protos/gen/envoy.config.cluster.v3.ts';
import type { MetadataKey } from '../../xds-protos/gen/envoy.type.metadata.v3.ts';
import type {
  ClusterConfig,
  ClusterDiscoveryType,
  DnsConfig,
  OriginalDstConfig,
} from '../config/cluster-config.ts';
import type { LoadBalancingPolicyConfig } from '../config/load-balancing-config.ts';
import type { DnsCacheConfig } from '../config/dns-cache-config.ts';
import type { ClusterEndpointsConfig } from '../config/endpoint-config.ts';
import { MAX_PORT } from './address-decoder.ts';
import type { SourceRef } from '../config/config-source.ts';
import { decodeConfigSource } from './config-source.ts';
import { decodeDnsCache } from './dns-cache-decoder.ts';
import { decodeDns, decodeDnsCluster } from './dns-decoder.ts';
import { readEndpoints } from './endpoint-decoder.ts';
import type { FieldReader } from './field-reader.ts';
import { typedConfigOf } from './typed-config.ts';

const DEFAULT_CLEANUP_MS = 5000;
const DNS_CLUSTER = 'envoy.extensions.clusters.dns.v3.DnsCluster';
const FORWARD_PROXY = 'envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig';
const AGGREGATE = 'envoy.extensions.clusters.aggregate.v3.ClusterConfig';

/** Extensions that are known by their name alone. The one of EDS refuses the settings it needs, as Envoy's does. */
const TYPE_BY_NAME: ReadonlyMap<string, ClusterDiscoveryType> = new Map([
  ['envoy.cluster.static', 'STATIC'],
  ['envoy.cluster.strict_dns', 'STRICT_DNS'],
  ['envoy.cluster.logical_dns', 'LOGICAL_DNS'],
  ['envoy.cluster.original_dst', 'ORIGINAL_DST'],
] as const);
const DEFAULT_DST_HEADER = 'x-envoy-original-dst-host';

type Reader = FieldReader<Cluster>;

/** How a cluster finds its hosts. */
export interface DiscoveryConfig {
  readonly type: ClusterDiscoveryType;
  readonly dns: DnsConfig;
  /** Of an aggregate cluster. */
  readonly aggregateOf?: readonly string[];
  /** Of a dynamic forward proxy. */
  readonly forwardProxy?: DnsCacheConfig;
  /** It need not hold its hosts to the names they are reached by. */
  readonly mayBeInsecure?: boolean;
}

export function decodeDiscovery(reader: Reader): DiscoveryConfig {
  const custom = reader.child('cluster_type');
  if (custom === undefined)
    return { type: reader.enumName('type', 'STATIC'), dns: decodeDns(reader) };
  const name = custom.requiredString('name');
  const plain = { type: 'STATIC', dns: decodeDns(reader) } as const;
  if (!custom.has('typed_config')) {
    const type = TYPE_BY_NAME.get(name);
    if (type !== undefined) return { ...plain, type };
    custom.problem(
      'name',
      `Didn't find a registered cluster factory implementation for name: '${name}'`,
    );
    return plain;
  }
  const config = typedConfigOf(custom)!;
  switch (config.typeName) {
    case DNS_CLUSTER: {
      const dns = config.as(DNS_CLUSTER);
      if (dns === undefined) return plain;
      const single = dns.bool('all_addresses_in_single_endpoint');
      return { type: single ? 'LOGICAL_DNS' : 'STRICT_DNS', dns: decodeDnsCluster(dns) };
    }
    case AGGREGATE: {
      const clusters = config.as(AGGREGATE)?.message.clusters ?? [];
      if (clusters.length === 0) config.problem('clusters: at least 1 is required');
      return { ...plain, type: 'AGGREGATE', aggregateOf: clusters };
    }
    case FORWARD_PROXY: {
      const proxy = config.as(FORWARD_PROXY);
      if (proxy === undefined) return plain;
      proxy.refuse('sub_clusters_config');
      const forwardProxy = decodeDnsCache(proxy.required('dns_cache_config'));
      const mayBeInsecure = proxy.bool('allow_insecure_cluster_options');
      return { ...plain, type: 'DYNAMIC_FORWARD_PROXY', forwardProxy, mayBeInsecure };
    }
    default:
      config.problem(
        `Didn't find a registered cluster factory implementation for type: '${config.typeName}'`,
      );
      return plain;
  }
}

/** `eds_cluster_config`: the name asked of EDS, and where. */
export function decodeEds(
  reader: Reader,
  type: ClusterDiscoveryType,
): { readonly edsServiceName: string; readonly edsSource?: SourceRef } {
  const name = { edsServiceName: reader.string('name') };
  const eds = reader.child('eds_cluster_config');
  if (type !== 'EDS') {
    if (eds !== undefined)
      reader.problem('eds_cluster_config', 'eds_cluster_config set in a non-EDS cluster');
    return name;
  }
  if (eds === undefined || !eds.has('eds_config')) {
    reader.problem(
      'eds_cluster_config.eds_config',
      'cannot create an EDS cluster without an EDS config',
    );
    return name;
  }
  return {
    edsServiceName: eds.string('service_name'),
    edsSource: decodeConfigSource(eds.child('eds_config')),
  };
}

export function decodeInlineEndpoints(
  reader: Reader,
  type: ClusterDiscoveryType,
): ClusterEndpointsConfig | undefined {
  const assignment = reader.child('load_assignment');
  if (type === 'AGGREGATE' || type === 'DYNAMIC_FORWARD_PROXY') return undefined;
  if (assignment === undefined) {
    if (type === 'LOGICAL_DNS')
      reader.problem('load_assignment', 'LOGICAL_DNS clusters must have a single host');
    return undefined;
  }
  if (type === 'EDS' || type === 'ORIGINAL_DST') {
    reader.problem('load_assignment', `${type} clusters must have no load assignment configured`);
    return undefined;
  }
  const dns = type === 'STRICT_DNS' || type === 'LOGICAL_DNS';
  const endpoints = readEndpoints(assignment, '', dns);
  const count = endpoints.localities.reduce(
    (total, locality) => total + locality.endpoints.length,
    0,
  );
  if (type === 'LOGICAL_DNS' && count !== 1) {
    assignment.problem(
      '',
      'LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint',
    );
  }
  return endpoints;
}

/** CLUSTER_PROVIDED and ORIGINAL_DST go together or not at all. */
export function checkPolicyFits(
  reader: Reader,
  type: ClusterDiscoveryType,
  policy: LoadBalancingPolicyConfig,
): void {
  const provided = policy.kind === 'cluster_provided';
  const isExtension = type === 'AGGREGATE' || type === 'DYNAMIC_FORWARD_PROXY';
  if (provided === (type === 'ORIGINAL_DST' || isExtension)) return;
  if (isExtension) {
    reader.problem(
      'lb_policy',
      `cluster provided LB not specified but cluster '${reader.string('name')}' provided one`,
    );
    return;
  }
  reader.problem(
    'lb_policy',
    provided
      ? `cluster: LB policy CLUSTER_PROVIDED is not valid for Cluster type ${type}. It is allowed only with cluster type 'ORIGINAL_DST'`
      : `cluster: LB policy ${reader.enumName('lb_policy', 'ROUND_ROBIN')} is not valid for Cluster type ORIGINAL_DST. Only 'CLUSTER_PROVIDED' is allowed with cluster type 'ORIGINAL_DST'`,
  );
}

export function decodeOriginalDst(
  reader: Reader,
  type: ClusterDiscoveryType,
): OriginalDstConfig | undefined {
  if (type !== 'ORIGINAL_DST') return undefined;
  const settings: FieldReader<Cluster_OriginalDstLbConfig> | undefined =
    reader.child('original_dst_lb_config');
  const useHttpHeader = settings?.bool('use_http_header') ?? false;
  const headerName = settings?.nonEmpty('http_header_name')?.toLowerCase();
  if (headerName !== undefined && !useHttpHeader) {
    settings?.problem(
      'http_header_name',
      `ORIGINAL_DST cluster: invalid config http_header_name=${headerName} and use_http_header is false. Set use_http_header to true if http_header_name is desired.`,
    );
  }
  return {
    useHttpHeader,
    httpHeaderName: headerName ?? DEFAULT_DST_HEADER,
    metadataPath: decodeMetadataPath(settings?.child('metadata_key')),
    upstreamPortOverride: settings?.optionalNumber('upstream_port_override', 0, MAX_PORT),
    cleanupIntervalMs: reader.has('cleanup_interval')
      ? reader.positiveDurationMs('cleanup_interval', DEFAULT_CLEANUP_MS)
      : DEFAULT_CLEANUP_MS,
  };
}

function decodeMetadataPath(
  reader: FieldReader<MetadataKey> | undefined,
): readonly string[] | undefined {
  if (reader === undefined) return undefined;
  const steps = reader.children('path').map((segment) => segment.requiredString('key'));
  if (steps.length === 0) reader.problem('path', 'at least 1 is required');
  return [reader.requiredString('key'), ...steps];
}

export const dropOverloads = (
  endpoints: ClusterEndpointsConfig | undefined,
): ClusterConfig['dropOverloads'] => endpoints?.dropOverloads ?? [];
