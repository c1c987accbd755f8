// [m] Decodes the smaller network filters: those that decide about a connection as a whole, or answer it themselves, and
// the proxies of databases, which pass bytes on (docs/differences.md). Loaded for the first.
import { decodeDnsCache } from './dns-cache-decoder.ts';
import { MAX_PORT } from './address-decoder.ts';
import type { NetworkFilterConfig } from '../config/network-filter-config.ts';
import type { TcpProxyConfig } from '../config/tcp-proxy-config.ts';
import { decodeFeatureFlag } from './compression-library-decoder.ts';
import {
  CONNECTION_LIMIT,
  DIRECT_RESPONSE,
  ECHO,
  LOCAL_RATE_LIMIT,
  REDIS,
  SET_FILTER_STATE,
  SNI_CLUSTER,
  SNI_FORWARD_PROXY,
  THRIFT,
} from './connection-filter-types.ts';
import { decodeDataSource } from './data-source.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeTokenBucket } from './local-rate-limit-decoder.ts';
import { decodeFilterStateValues } from './set-filter-state-decoder.ts';
import type { TypedConfig } from './typed-config.ts';

const DEFAULT_IDLE_TIMEOUT_MS = 3_600_000;
const NO_BUCKET = { maxTokens: 0, tokensPerFill: 1, fillIntervalMs: 50, wildcardValues: 0 };

/** Undefined: the type is none of these, or a problem was recorded. */
export function decodeConnectionFilter(
  config: TypedConfig,
  name: string,
): NetworkFilterConfig | undefined {
  switch (config.typeName) {
    case SNI_CLUSTER:
      return { kind: 'sni_cluster', name };
    case SNI_FORWARD_PROXY:
      return sniForwardProxy(config, name);
    case ECHO:
      return { kind: 'echo', name };
    case DIRECT_RESPONSE: {
      const response = config.as(DIRECT_RESPONSE)?.child('response');
      const bytes = response && decodeDataSource(response);
      return { kind: 'direct_response', name, text: Buffer.from(bytes ?? []).toString('latin1') };
    }
    case CONNECTION_LIMIT:
      return connectionLimit(config, name);
    case LOCAL_RATE_LIMIT:
      return rateLimit(config, name);
    case SET_FILTER_STATE:
      return filterState(config, name);
    case REDIS:
    case THRIFT:
      return databaseProxy(config, name);
    default:
      return undefined;
  }
}

function sniForwardProxy(config: TypedConfig, name: string): NetworkFilterConfig | undefined {
  const reader = config.as(SNI_FORWARD_PROXY);
  if (reader === undefined) return undefined;
  return {
    kind: 'sni_forward_proxy',
    name,
    settings: {
      cache: decodeDnsCache(reader.required('dns_cache_config')),
      port: reader.number('port_value', 443, 1, MAX_PORT),
    },
  };
}

function connectionLimit(config: TypedConfig, name: string): NetworkFilterConfig | undefined {
  const reader = config.as(CONNECTION_LIMIT);
  if (reader === undefined) return undefined;
  if (!reader.has('max_connections')) reader.problem('max_connections', 'is required');
  return {
    kind: 'connection_limit',
    name,
    settings: {
      statPrefix: reader.requiredString('stat_prefix'),
      maxConnections: reader.number('max_connections', 1, 1),
      delayMs: reader.optionalDurationMs('delay'),
      enabled: decodeFeatureFlag(reader.child('runtime_enabled')),
    },
  };
}

function rateLimit(config: TypedConfig, name: string): NetworkFilterConfig | undefined {
  const reader = config.as(LOCAL_RATE_LIMIT);
  if (reader === undefined) return undefined;
  if (reader.string('share_key') !== '') reader.refuse('share_key');
  const bucket = reader.required('token_bucket');
  return {
    kind: 'network_rate_limit',
    name,
    settings: {
      statPrefix: reader.requiredString('stat_prefix'),
      tokenBucket: bucket === undefined ? NO_BUCKET : decodeTokenBucket(bucket, 0),
      enabled: decodeFeatureFlag(reader.child('runtime_enabled')),
    },
  };
}

/** A chain begins behind its handshake: objects of both moments are made then. */
function filterState(config: TypedConfig, name: string): NetworkFilterConfig | undefined {
  const reader = config.as(SET_FILTER_STATE);
  if (reader === undefined) return undefined;
  reader.refuse('on_downstream_data');
  const values = [
    ...reader.children('on_new_connection'),
    ...reader.children('on_downstream_tls_handshake'),
  ];
  return {
    kind: 'connection_filter_state',
    name,
    settings: decodeFilterStateValues(values, false),
  };
}

/** What of Redis or Thrift would go to several clusters by what is said goes to the one that takes everything. */
function databaseProxy(config: TypedConfig, name: string): NetworkFilterConfig | undefined {
  const isRedis = config.typeName === REDIS;
  const reader = isRedis ? config.as(REDIS) : config.as(THRIFT);
  if (reader === undefined) return undefined;
  const cluster = isRedis ? redisCluster(config) : thriftCluster(config);
  if (cluster === undefined)
    config.problem('has no route that takes everything; routes by content are not supported');
  const prefix = (reader as FieldReader<{ stat_prefix?: string }>).requiredString('stat_prefix');
  return { kind: 'tcp_proxy', name, settings: passThrough(prefix, cluster ?? '') };
}

function redisCluster(config: TypedConfig): string | undefined {
  const routes = config.as(REDIS)?.child('prefix_routes');
  return routes?.child('catch_all_route')?.nonEmpty('cluster');
}

function thriftCluster(config: TypedConfig): string | undefined {
  const routes = config.as(THRIFT)?.child('route_config')?.children('routes') ?? [];
  for (const route of routes) {
    const match = route.child('match');
    if ((match?.string('method_name') ?? '') !== '' || (match?.string('service_name') ?? '') !== '')
      continue;
    const cluster = route.child('route')?.nonEmpty('cluster');
    if (cluster !== undefined) return cluster;
  }
  return undefined;
}

const passThrough = (statPrefix: string, cluster: string): TcpProxyConfig => ({
  statPrefix,
  cluster: { kind: 'cluster', name: cluster },
  idleTimeoutMs: DEFAULT_IDLE_TIMEOUT_MS,
  maxDownstreamConnectionDurationMs: undefined,
  maxConnectAttempts: 1,
  accessLogs: [],
});
