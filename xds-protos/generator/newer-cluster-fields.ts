// Fields of clusters, endpoints and DNS that Envoy 1.40 has and the package's .proto files do not (development only): see newer-fields.ts.
import type { NewerField } from './newer-fields.ts';

const CARES = 'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig';
const GETADDRINFO =
  'envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig';
const DNS_CACHE = 'envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig';

const field = (message: string, name: string, number: number, type: string): NewerField => ({
  message,
  name,
  number,
  type,
});

export const newerClusterFields: readonly NewerField[] = [
  field('envoy.config.endpoint.v3.Endpoint', 'observability_name', 5, 'string'),
  field(
    'envoy.config.cluster.v3.Cluster',
    'transport_socket_matcher',
    59,
    'xds.type.matcher.v3.Matcher',
  ),
  field(CARES, 'query_timeout_seconds', 6, 'google.protobuf.UInt64Value'),
  field(CARES, 'query_tries', 7, 'google.protobuf.UInt32Value'),
  field(CARES, 'rotate_nameservers', 8, 'bool'),
  field(CARES, 'edns0_max_payload_size', 9, 'google.protobuf.UInt32Value'),
  field(CARES, 'max_udp_channel_duration', 10, 'google.protobuf.Duration'),
  field(CARES, 'reinit_channel_on_timeout', 11, 'bool'),
  field(CARES, 'qcache_max_ttl', 12, 'google.protobuf.UInt32Value'),
  field(GETADDRINFO, 'num_retries', 1, 'google.protobuf.UInt32Value'),
  field(GETADDRINFO, 'num_resolver_threads', 2, 'google.protobuf.UInt32Value'),
  field(DNS_CACHE, 'disable_dns_refresh_on_failure', 15, 'bool'),
  field(DNS_CACHE, 'resolved_address_filter', 16, 'envoy.type.matcher.v3.AddressMatcher'),
  field(
    'envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig',
    'allow_dynamic_host_from_filter_state',
    4,
    'bool',
  ),
  field(
    'envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig',
    'save_upstream_address',
    3,
    'bool',
  ),
  field(
    'envoy.extensions.clusters.dynamic_forward_proxy.v3.SubClustersConfig',
    'dns_cluster_config',
    5,
    'envoy.extensions.clusters.dns.v3.DnsCluster',
  ),
];
