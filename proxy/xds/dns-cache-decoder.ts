// [m] Decodes the DNS cache of dynamic forward proxies: of the cluster, the HTTP filter and the SNI filter.
import type { DnsCacheConfig as DnsCacheMessage } from '../../xds-protos/gen/envoy.extensions.common.dynamic_forward_proxy.v3.ts';
import type {
  ForwardProxyFilterConfig,
  ForwardProxyRouteConfig,
} from '../config/http-filter-config.ts';
import type { DnsCacheConfig } from '../config/dns-cache-config.ts';
import { MAX_PORT } from './address-decoder.ts';
import { decodeFailureRefresh, decodeResolution, decodeTypedResolver } from './dns-decoder.ts';
import type { FieldReader } from './field-reader.ts';
import type { TypedConfig } from './typed-config.ts';

const DEFAULT_REFRESH_MS = 60_000;
const DEFAULT_LEAST_REFRESH_MS = 5000;
const DEFAULT_TTL_MS = 300_000;
const DEFAULT_QUERY_TIMEOUT_MS = 5000;
const DEFAULT_MAX = 1024;
/** A timer of the platform cannot wait longer. */
const MAX_TIMER_MS = 2 ** 31 - 1;
const UNKNOWN: DnsCacheConfig = {
  name: '',
  dns: { lookupFamily: 'AUTO', refreshRateMs: DEFAULT_REFRESH_MS, respectTtl: true },
  hostTtlMs: DEFAULT_TTL_MS,
  maxHosts: DEFAULT_MAX,
  maxPending: DEFAULT_MAX,
  queryTimeoutMs: DEFAULT_QUERY_TIMEOUT_MS,
  forgetFailures: false,
  preresolve: [],
};

export function decodeDnsCache(reader: FieldReader<DnsCacheMessage> | undefined): DnsCacheConfig {
  if (reader === undefined) return UNKNOWN;
  reader.refuse('key_value_config');
  reader.refuse('resolved_address_filter');
  const least = reader.durationMs('dns_min_refresh_rate', DEFAULT_LEAST_REFRESH_MS);
  if (least < 1000) reader.problem('dns_min_refresh_rate', 'must be at least 1s');
  const typed = reader.child('typed_dns_resolver_config');
  return {
    name: reader.requiredString('name'),
    dns: {
      lookupFamily: reader.enumName('dns_lookup_family', 'AUTO'),
      refreshRateMs: Math.max(1, reader.positiveDurationMs('dns_refresh_rate', DEFAULT_REFRESH_MS)),
      respectTtl: true,
      minRefreshRateMs: least,
      failureRefresh: decodeFailureRefresh(reader.child('dns_failure_refresh_rate')),
      resolver:
        typed === undefined
          ? decodeResolution(reader.child('dns_resolution_config'))
          : decodeTypedResolver(typed),
    },
    hostTtlMs: Math.min(reader.positiveDurationMs('host_ttl', DEFAULT_TTL_MS), MAX_TIMER_MS),
    maxHosts: reader.number('max_hosts', DEFAULT_MAX, 1),
    maxPending:
      reader.child('dns_cache_circuit_breaker')?.number('max_pending_requests', DEFAULT_MAX) ??
      DEFAULT_MAX,
    queryTimeoutMs: Math.min(
      reader.durationMs('dns_query_timeout', DEFAULT_QUERY_TIMEOUT_MS),
      MAX_TIMER_MS,
    ),
    forgetFailures: reader.bool('disable_dns_refresh_on_failure'),
    preresolve: reader.children('preresolve_hostnames').map((host) => {
      const port = host.number('port_value', 0, 0, MAX_PORT);
      return `${host.requiredString('address')}:${port}`;
    }),
  };
}

export function decodeForwardProxyFilter(
  config: TypedConfig,
): ForwardProxyFilterConfig | undefined {
  const reader = config.as('envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig');
  if (reader === undefined) return undefined;
  reader.refuse('sub_cluster_config');
  reader.refuse('allow_dynamic_host_from_filter_state');
  return {
    kind: 'dynamic_forward_proxy',
    cache: decodeDnsCache(reader.required('dns_cache_config')),
  };
}

export function decodeForwardProxyRoute(config: TypedConfig): ForwardProxyRouteConfig | undefined {
  const reader = config.as('envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig');
  if (reader === undefined) return undefined;
  return {
    kind: 'dynamic_forward_proxy_route',
    hostRewriteLiteral: reader.nonEmpty('host_rewrite_literal'),
    hostRewriteHeader: reader.nonEmpty('host_rewrite_header')?.toLowerCase(),
  };
}
