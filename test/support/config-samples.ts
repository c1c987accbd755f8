// Small valid configurations, as decoders make them; a test changes the field it is about.
import { DEFAULT_HTTP2 } from '../../proxy/config/http2-config.ts';
import type { ClusterConfig } from '../../proxy/config/cluster-config.ts';
import type { ConfigResource } from '../../proxy/config/config-resource.ts';
import type {
  ClusterEndpointsConfig,
  EndpointConfig,
  LocalityEndpointsConfig,
} from '../../proxy/config/endpoint-config.ts';
import type { HttpConnectionManagerConfig } from '../../proxy/config/http-connection-manager-config.ts';
import type { FilterChainConfig, ListenerConfig } from '../../proxy/config/listener-config.ts';
import type { NetworkFilterConfig } from '../../proxy/config/network-filter-config.ts';
import type {
  RouteActionConfig,
  RouteConfig,
  RouteEntryConfig,
  VirtualHostConfig,
} from '../../proxy/config/route-config.ts';

export function sampleEndpoint(
  address: string,
  port: number,
  changes: Partial<EndpointConfig> = {},
): EndpointConfig {
  return {
    address: { kind: 'ip', address, port },
    hostname: '',
    weight: 1,
    health: 'HEALTHY',
    transportSocketMatch: new Map(),
    metadata: new Map(),
    ...changes,
  };
}

export function sampleLocality(endpoints: readonly EndpointConfig[]): LocalityEndpointsConfig {
  return { region: '', zone: '', subZone: '', priority: 0, weight: undefined, endpoints };
}

export function sampleEndpoints(
  clusterName: string,
  addresses: readonly string[],
): ClusterEndpointsConfig {
  const endpoints = addresses.map((address) => sampleEndpoint(address, 80));
  return {
    clusterName,
    version: 'v1',
    localities: [sampleLocality(endpoints)],
    overprovisioningPercent: 140,
  };
}

const breakers = {
  maxConnections: 1024,
  maxPendingRequests: 1024,
  maxRequests: 1024,
  maxRetries: 3,
  retryBudget: undefined,
  trackRemaining: false,
};

export function sampleCluster(name: string, changes: Partial<ClusterConfig> = {}): ClusterConfig {
  return {
    name,
    statName: name,
    version: 'v1',
    addedViaApi: true,
    type: 'STATIC',
    edsServiceName: name,
    localities: [sampleLocality([sampleEndpoint('127.0.0.1', 80)])],
    lbPolicy: { kind: 'round_robin' },
    connectTimeoutMs: 5000,
    circuitBreakers: { default: breakers, high: breakers },
    perConnectionBufferLimitBytes: 1_048_576,
    transportSocket: { kind: 'raw_buffer' },
    transportSocketMatches: [],
    http: {
      protocol: 'http1',
      idleTimeoutMs: 3_600_000,
      maxConnectionDurationMs: 0,
      maxRequestsPerConnection: 0,
      maxResponseHeadersKb: 60,
      maxHeadersCount: 100,
      enableTrailers: false,
      http2: DEFAULT_HTTP2,
      headerKeyFormat: 'lower',
    },
    tcpKeepalive: undefined,
    bind: undefined,
    originalDst: undefined,
    dns: { lookupFamily: 'AUTO', refreshRateMs: 5000, respectTtl: false },
    panicThresholdPercent: 50,
    overprovisioningPercent: 140,
    dropOverloads: [],
    metadata: new Map(),
    inert: [],
    ...changes,
  };
}

export function sampleHcm(routes: HttpConnectionManagerConfig['routes']): NetworkFilterConfig {
  const settings: HttpConnectionManagerConfig = {
    codecType: 'AUTO',
    statPrefix: 'test',
    routes,
    httpFilters: [],
    accessLogs: [],
    localReply: undefined,
    proxyStatus: undefined,
    useRemoteAddress: false,
    xffNumTrustedHops: 0,
    skipXffAppend: false,
    originalIpDetection: [],
    earlyHeaderMutations: [],
    appendXForwardedPort: false,
    internalAddresses: undefined,
    generateRequestId: true,
    preserveExternalRequestId: false,
    alwaysSetRequestIdInResponse: false,
    packTraceReason: true,
    sampleByRequestId: true,
    tracing: undefined,
    addUserAgent: false,
    via: '',
    serverName: 'envoy',
    serverHeaderTransformation: 'OVERWRITE',
    schemeToOverwrite: undefined,
    normalizePath: true,
    mergeSlashes: false,
    pathWithEscapedSlashesAction: 'KEEP_UNCHANGED',
    stripMatchingHostPort: false,
    stripAnyHostPort: false,
    stripTrailingHostDot: false,
    forwardClientCertDetails: 'SANITIZE',
    proxy100Continue: false,
    streamErrorOnInvalidHttpMessage: false,
    upgrades: [],
    idleTimeoutMs: 3_600_000,
    streamIdleTimeoutMs: 300_000,
    requestTimeoutMs: 0,
    requestHeadersTimeoutMs: 0,
    maxConnectionDurationMs: 0,
    maxConnectionDurationJitterPercent: 0,
    http1SafeMaxConnectionDuration: false,
    maxStreamDurationMs: 0,
    drainTimeoutMs: 5000,
    drainTimeoutJitterPercent: 0,
    delayedCloseTimeoutMs: 1000,
    maxRequestsPerConnection: 0,
    maxRequestHeadersKb: 60,
    maxHeadersCount: 100,
    headersWithUnderscoresAction: 'ALLOW',
    http2: DEFAULT_HTTP2,
    http1: {
      allowAbsoluteUrl: true,
      acceptHttp10: false,
      defaultHostForHttp10: '',
      enableTrailers: false,
      allowChunkedLength: false,
      allowCustomMethods: false,
      headerKeyFormat: 'lower',
    },
  };
  return {
    kind: 'http_connection_manager',
    name: 'envoy.filters.network.http_connection_manager',
    settings,
  };
}

export function sampleFilterChain(
  networkFilters: readonly NetworkFilterConfig[],
  hash = 'c1',
): FilterChainConfig {
  return {
    name: '',
    hash,
    match: {
      destinationPort: undefined,
      prefixRanges: [],
      serverNames: [],
      transportProtocol: '',
      applicationProtocols: [],
      directSourcePrefixRanges: [],
      sourceType: 'ANY',
      sourcePrefixRanges: [],
      sourcePorts: [],
    },
    transportSocket: { kind: 'raw_buffer' },
    transportSocketConnectTimeoutMs: 0,
    networkFilters,
  };
}

export function sampleListener(
  name: string,
  port: number,
  changes: Partial<ListenerConfig> = {},
): ListenerConfig {
  return {
    name,
    version: 'v1',
    hash: 'h1',
    address: { kind: 'ip', address: '127.0.0.1', port },
    additionalAddresses: [],
    bindToPort: true,
    useOriginalDst: false,
    trafficDirection: 'UNSPECIFIED',
    listenerFilters: [],
    listenerFiltersTimeoutMs: 15_000,
    continueOnListenerFiltersTimeout: false,
    filterChains: [],
    defaultFilterChain: undefined,
    accessLogs: [],
    perConnectionBufferLimitBytes: 1_048_576,
    tcpBacklogSize: 128,
    statPrefix: `127.0.0.1_${port}`,
    drainType: 'DEFAULT',
    ...changes,
  };
}

const noHeaders = { requestAdd: [], requestRemove: [], responseAdd: [], responseRemove: [] };

export const sampleRouteAction: RouteActionConfig = {
  kind: 'route',
  cluster: { kind: 'cluster', name: 'c' },
  clusterNotFoundStatus: 503,
  timeoutMs: 15_000,
  idleTimeoutMs: undefined,
  maxStreamDuration: undefined,
  retryPolicy: undefined,
  prefixRewrite: undefined,
  regexRewrite: undefined,
  pathRewriteTemplate: undefined,
  hostRewriteLiteral: undefined,
  hostRewriteHeader: undefined,
  hostRewritePathRegex: undefined,
  autoHostRewrite: false,
  appendXForwardedHost: false,
  priority: 'DEFAULT',
  hashPolicy: [],
  mirrors: [],
  upgrades: [],
};

/** Matches everything. */
export function sampleRouteEntry(action: RouteEntryConfig['action']): RouteEntryConfig {
  return {
    name: '',
    match: {
      path: { kind: 'prefix', value: '/' },
      caseSensitive: true,
      headers: [],
      query: [],
      grpcOnly: false,
      fraction: undefined,
      tlsPresented: undefined,
      tlsValidated: undefined,
    },
    action,
    headers: noHeaders,
    perFilter: [],
    metadata: new Map(),
  };
}

export function sampleVirtualHost(routes: readonly RouteEntryConfig[]): VirtualHostConfig {
  return {
    name: 'v',
    domains: ['*'],
    routes,
    headers: noHeaders,
    perFilter: [],
    retryPolicy: undefined,
    includeRequestAttemptCount: false,
    includeAttemptCountInResponse: false,
    requireTls: 'NONE',
  };
}

export function sampleRoute(name: string, version = 'v1'): RouteConfig {
  return {
    name,
    version,
    virtualHosts: [],
    headers: noHeaders,
    perFilter: [],
    internalOnlyHeaders: [],
    mostSpecificHeaderMutationsWins: false,
    ignorePortInHostMatching: false,
    ignorePathParametersInPathMatching: false,
    validateClusters: false,
  };
}

/** As it comes from a decoder, with the name as its bytes. */
export function resource<T>(name: string, config: T, version = 'v1'): ConfigResource<T> {
  return { name, version, config, raw: Buffer.from(`${name}@${version}`) };
}
