// [m] Decodes how names of a cluster are resolved: refresh, TTLs, failures, which name servers (envoy-behaviour §7.1).
// The fields of Cluster itself and those of the extension `envoy.clusters.dns` say the same things.
import type { Cluster } from '../../xds-protos/gen/envoy.config.cluster.v3.ts';
import type {
  Address,
  DnsResolutionConfig,
  TypedExtensionConfig,
} from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { DnsCluster } from '../../xds-protos/gen/envoy.extensions.clusters.dns.v3.ts';
import type { CaresDnsResolverConfig } from '../../xds-protos/gen/envoy.extensions.network.dns_resolver.cares.v3.ts';
import type { Duration } from '../../xds-protos/well-known-types.ts';
import type { BackoffRangeConfig, DnsConfig, DnsResolverConfig } from '../config/cluster-config.ts';
import { decodeAddress } from './address-decoder.ts';
import type { FieldReader } from './field-reader.ts';
import { typedConfigOf } from './typed-config.ts';

const DEFAULT_REFRESH_MS = 5000;
const RESOLVERS = 'envoy.extensions.network.dns_resolver';
const CARES = `${RESOLVERS}.cares.v3.CaresDnsResolverConfig` as const;
const GETADDRINFO = `${RESOLVERS}.getaddrinfo.v3.GetAddrInfoDnsResolverConfig` as const;
/** A query that takes longer is of no use to anybody. */
const MAX_QUERY_TIMEOUT_S = 600;
const MAX_TRIES = 100;
const DNS_PORT = 53;

const SYSTEM: DnsResolverConfig = {
  kind: 'cares',
  servers: [],
  serversAreFallback: false,
  searchDomains: true,
  timeoutMs: 0,
  tries: 0,
  rotate: false,
};

/** From the fields of the cluster. */
export function decodeDns(reader: FieldReader<Cluster>): DnsConfig {
  return {
    lookupFamily: reader.enumName('dns_lookup_family', 'AUTO'),
    ...decodeRefresh(reader),
    resolver: decodeClusterResolver(reader),
  };
}

/** From the extension; the fields of the cluster mean nothing then. */
export function decodeDnsCluster(reader: FieldReader<DnsCluster>): DnsConfig {
  const family = reader.enumName('dns_lookup_family', 'UNSPECIFIED');
  const least = reader.optionalDurationMs('dns_min_refresh_rate');
  if (least !== undefined && least < 1000)
    reader.problem('dns_min_refresh_rate', 'must be at least 1s');
  return {
    lookupFamily: family === 'UNSPECIFIED' ? 'AUTO' : family,
    ...decodeRefresh(reader),
    minRefreshRateMs: least,
    resolver: decodeTypedResolver(reader.child('typed_dns_resolver_config')),
  };
}

function decodeRefresh(
  reader: FieldReader<Cluster> | FieldReader<DnsCluster>,
): Pick<DnsConfig, 'refreshRateMs' | 'respectTtl' | 'jitterMs' | 'failureRefresh'> {
  // Both messages have these fields.
  const common = reader as FieldReader<DnsCluster>;
  const jitterMs = common.durationMs('dns_jitter', 0);
  return {
    refreshRateMs: rateMs(common, 'dns_refresh_rate', DEFAULT_REFRESH_MS),
    respectTtl: common.bool('respect_dns_ttl'),
    ...(jitterMs > 0 && { jitterMs }),
    failureRefresh: decodeFailureRefresh(common.child('dns_failure_refresh_rate')),
  };
}

interface RefreshRate {
  readonly base_interval?: Duration | undefined;
  readonly max_interval?: Duration | undefined;
}

/** Undefined: the refresh rate holds after failures, too. */
export function decodeFailureRefresh(
  reader: FieldReader<RefreshRate> | undefined,
): BackoffRangeConfig | undefined {
  if (reader === undefined) return undefined;
  if (!reader.has('base_interval')) reader.problem('base_interval', 'is required');
  const baseMs = rateMs(reader, 'base_interval', DEFAULT_REFRESH_MS);
  const maxMs = rateMs(reader, 'max_interval', baseMs * 10);
  if (maxMs < baseMs) {
    reader.problem(
      '',
      'dns_failure_refresh_rate must have max_interval greater than or equal to the base_interval',
    );
  }
  return { baseMs, maxMs };
}

function rateMs<K extends string>(
  reader: FieldReader<{ readonly [F in K]?: Duration | undefined }>,
  field: K,
  fallback: number,
): number {
  const value = reader.optionalDurationMs(field as never);
  if (value === undefined) return fallback;
  const duration = reader.message[field]!;
  if (duration.seconds === 0 && duration.nanos <= 1_000_000)
    reader.problem(field, 'must be greater than 1ms');
  return Math.max(1, value);
}

/** The typed one wins over the older two, of which the younger wins. */
function decodeClusterResolver(reader: FieldReader<Cluster>): DnsResolverConfig | undefined {
  const typed = reader.child('typed_dns_resolver_config');
  if (typed !== undefined) return decodeTypedResolver(typed);
  return (
    decodeResolution(reader.child('dns_resolution_config')) ??
    withServers(decodeServers(reader.children('dns_resolvers')))
  );
}

/** For `dns_resolution_config`, which the dynamic forward proxy has, too. */
export function decodeResolution(
  reader: FieldReader<DnsResolutionConfig> | undefined,
): DnsResolverConfig | undefined {
  if (reader === undefined) return undefined;
  const servers = decodeServers(reader.children('resolvers'));
  if (servers.length === 0) reader.problem('resolvers', 'at least 1 is required');
  const options = reader.child('dns_resolver_options');
  return {
    ...SYSTEM,
    servers,
    searchDomains: options?.bool('no_default_search_domain') !== true,
    ...(options?.bool('use_tcp_for_dns_lookups') === true && { overTcp: true }),
  };
}

/** Undefined: the system's own. */
export function decodeTypedResolver(
  reader: FieldReader<TypedExtensionConfig> | undefined,
): DnsResolverConfig | undefined {
  const config = reader && typedConfigOf(reader);
  if (reader === undefined || config === undefined) return undefined;
  // What it could be told is how often to try and on how many threads: the system's limits stand for that.
  if (config.typeName === GETADDRINFO) return { ...SYSTEM, kind: 'getaddrinfo' };
  if (config.typeName !== CARES) {
    config.unknown(reader.requiredString('name'));
    return undefined;
  }
  const cares = config.as(CARES);
  return cares && decodeCares(cares);
}

function decodeCares(reader: FieldReader<CaresDnsResolverConfig>): DnsResolverConfig | undefined {
  const options = reader.child('dns_resolver_options');
  const config: DnsResolverConfig = {
    kind: 'cares',
    servers: decodeServers(reader.children('resolvers')),
    serversAreFallback: reader.bool('use_resolvers_as_fallback'),
    searchDomains: options?.bool('no_default_search_domain') !== true,
    timeoutMs: reader.number('query_timeout_seconds', 0, 0, MAX_QUERY_TIMEOUT_S) * 1000,
    tries: reader.number('query_tries', 0, 0, MAX_TRIES),
    rotate: reader.bool('rotate_nameservers'),
    ...(options?.bool('use_tcp_for_dns_lookups') === true && { overTcp: true }),
  };
  const plain = config.servers.length === 0 && config.timeoutMs === 0 && config.tries === 0;
  return plain && config.searchDomains && !config.overTcp ? undefined : config;
}

const withServers = (servers: readonly string[]): DnsResolverConfig | undefined =>
  servers.length === 0 ? undefined : { ...SYSTEM, servers };

function decodeServers(readers: readonly FieldReader<Address>[]): readonly string[] {
  return readers.map((reader) => {
    const address = decodeAddress(reader, false);
    if (address.kind === 'pipe') {
      reader.problem('', `DNS resolver '${address.path}' is not an IP address`);
      return '';
    }
    const ip = address.address.includes(':') ? `[${address.address}]` : address.address;
    return `${ip}:${address.port === 0 ? DNS_PORT : address.port}`;
  });
}
