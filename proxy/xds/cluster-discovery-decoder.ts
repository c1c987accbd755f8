// [m] Decodes how a cluster finds its hosts: type, endpoints given inline, DNS and original-destination settings
// (envoy-behaviour §7.1, istio-contract §4.2).
import type {
  Cluster,
  Cluster_OriginalDstLbConfig,
} from '../../xds-protos/gen/envoy.config.cluster.v3.ts';
import type {
  ClusterConfig,
  ClusterDiscoveryType,
  DnsConfig,
  LoadBalancingPolicyConfig,
  OriginalDstConfig,
} from '../config/cluster-config.ts';
import type { ClusterEndpointsConfig } from '../config/endpoint-config.ts';
import { MAX_PORT } from './address-decoder.ts';
import { checkAdsSource } from './config-source.ts';
import { readEndpoints } from './endpoint-decoder.ts';
import type { FieldReader } from './field-reader.ts';

const DEFAULT_DNS_REFRESH_MS = 5000;
const DEFAULT_CLEANUP_MS = 5000;
const DEFAULT_DST_HEADER = 'x-envoy-original-dst-host';

type Reader = FieldReader<Cluster>;

export function decodeDiscoveryType(reader: Reader): ClusterDiscoveryType {
  const custom = reader.child('cluster_type');
  if (custom === undefined) return reader.enumName('type', 'STATIC');
  const name = custom.requiredString('name');
  custom.problem('', `cluster type ${name} is not supported by this version`);
  return 'STATIC';
}

/** `eds_cluster_config`: the name asked of EDS. */
export function decodeEdsName(reader: Reader, type: ClusterDiscoveryType): string {
  const name = reader.string('name');
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
  checkAdsSource(eds.child('eds_config'));
  return eds.nonEmpty('service_name') ?? name;
}

export function decodeInlineEndpoints(
  reader: Reader,
  type: ClusterDiscoveryType,
): ClusterEndpointsConfig | undefined {
  const assignment = reader.child('load_assignment');
  if (assignment === undefined) return undefined;
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
  if (provided === (type === 'ORIGINAL_DST')) return;
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
  settings?.refuse('metadata_key');
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
    upstreamPortOverride: settings?.optionalNumber('upstream_port_override', 0, MAX_PORT),
    cleanupIntervalMs: reader.has('cleanup_interval')
      ? reader.positiveDurationMs('cleanup_interval', DEFAULT_CLEANUP_MS)
      : DEFAULT_CLEANUP_MS,
  };
}

export function decodeDns(reader: Reader): DnsConfig {
  return {
    lookupFamily: reader.enumName('dns_lookup_family', 'AUTO'),
    refreshRateMs: reader.has('dns_refresh_rate')
      ? Math.max(1, reader.positiveDurationMs('dns_refresh_rate', DEFAULT_DNS_REFRESH_MS))
      : DEFAULT_DNS_REFRESH_MS,
    respectTtl: reader.bool('respect_dns_ttl'),
  };
}

export const dropOverloads = (
  endpoints: ClusterEndpointsConfig | undefined,
): ClusterConfig['dropOverloads'] => endpoints?.dropOverloads ?? [];
