// Route configurations and requests with every field at its default; a test changes the field it is about.
import type {
  HeaderAddConfig,
  HeaderMutationConfig,
} from '../../proxy/config/header-mutation-config.ts';
import type {
  RetryPolicyConfig,
  RouteActionConfig,
  RouteConfig,
  RouteEntryConfig,
  RouteMatchConfig,
  VirtualHostConfig,
} from '../../proxy/config/route-config.ts';
import { RequestHeaders, ResponseHeaders } from '../../proxy/http/header-map.ts';
import { wireHeaderName } from '../../proxy/http/headers.ts';
import { StreamInfo } from '../../proxy/stream-info/stream-info.ts';

export const noHeaders: HeaderMutationConfig = {
  requestAdd: [],
  requestRemove: [],
  responseAdd: [],
  responseRemove: [],
};

export function headerAdd(
  name: string,
  value: string,
  changes: Partial<HeaderAddConfig> = {},
): HeaderAddConfig {
  return { name, value, action: 'APPEND_IF_EXISTS_OR_ADD', keepEmptyValue: false, ...changes };
}

export function routeMatch(changes: Partial<RouteMatchConfig> = {}): RouteMatchConfig {
  return {
    path: { kind: 'prefix', value: '/' },
    caseSensitive: true,
    headers: [],
    query: [],
    grpcOnly: false,
    fraction: undefined,
    tlsPresented: undefined,
    tlsValidated: undefined,
    ...changes,
  };
}

export function routeAction(changes: Partial<RouteActionConfig> = {}): RouteActionConfig {
  return {
    kind: 'route',
    cluster: { kind: 'cluster', name: 'backend' },
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
    ...changes,
  };
}

export function routeEntry(changes: Partial<RouteEntryConfig> = {}): RouteEntryConfig {
  return {
    name: '',
    match: routeMatch(),
    action: routeAction(),
    headers: noHeaders,
    perFilter: [],
    metadata: new Map(),
    ...changes,
  };
}

export function virtualHost(changes: Partial<VirtualHostConfig> = {}): VirtualHostConfig {
  return {
    name: 'vhost',
    domains: ['*'],
    routes: [routeEntry()],
    headers: noHeaders,
    perFilter: [],
    retryPolicy: undefined,
    includeRequestAttemptCount: false,
    includeAttemptCountInResponse: false,
    requireTls: 'NONE',
    ...changes,
  };
}

export function routeConfig(
  virtualHosts: readonly VirtualHostConfig[],
  changes: Partial<RouteConfig> = {},
): RouteConfig {
  return {
    name: 'routes',
    version: '1',
    virtualHosts,
    headers: noHeaders,
    perFilter: [],
    internalOnlyHeaders: [],
    mostSpecificHeaderMutationsWins: false,
    ignorePortInHostMatching: false,
    ignorePathParametersInPathMatching: false,
    validateClusters: false,
    ...changes,
  };
}

export function retryPolicy(
  retryOn: readonly string[],
  changes: Partial<RetryPolicyConfig> = {},
): RetryPolicyConfig {
  return {
    retryOn,
    numRetries: 1,
    perTryTimeoutMs: undefined,
    perTryIdleTimeoutMs: undefined,
    baseIntervalMs: 25,
    maxIntervalMs: 250,
    retriableStatusCodes: [],
    retriableHeaders: [],
    retriableRequestHeaders: [],
    hostPredicates: [],
    hostSelectionRetryMaxAttempts: 1,
    previousPrioritiesUpdateFrequency: undefined,
    ...changes,
  };
}

/** Pairs of name and value, in order; `:method`, `:path`, `:authority`, `:scheme` go where they belong. */
export function request(lines: readonly (readonly [string, string])[] = []): RequestHeaders {
  const headers = new RequestHeaders();
  headers.method = 'GET';
  headers.path = '/';
  headers.authority = 'host';
  headers.scheme = 'http';
  for (const [name, value] of lines) {
    if (name === ':method') headers.method = value;
    else if (name === ':path') headers.path = value;
    else if (name === ':authority') headers.authority = value;
    else if (name === ':scheme') headers.scheme = value;
    else headers.append(wireHeaderName(name), value);
  }
  return headers;
}

export function response(
  status: number,
  lines: readonly (readonly [string, string])[] = [],
): ResponseHeaders {
  const headers = new ResponseHeaders();
  headers.status = status;
  for (const [name, value] of lines) headers.append(wireHeaderName(name), value);
  return headers;
}

/** Lines as `name: value`. */
export function linesOf(headers: RequestHeaders | ResponseHeaders): string[] {
  const lines: string[] = [];
  for (let i = 0; i < headers.size; i++)
    lines.push(`${headers.nameAt(i).text}: ${headers.valueAt(i)}`);
  return lines;
}

export function streamInfo(streamRandom = 0): StreamInfo {
  const connection = {
    connectionId: 7,
    directRemoteAddress: '10.0.0.1:4711',
    directRemoteIp: '10.0.0.1',
    localAddress: '10.0.0.2:8080',
    localIp: '10.0.0.2',
    localPort: 8080,
    localAddressRestored: false,
    requestedServerName: '',
    tls: false,
  };
  const info = new StreamInfo(connection, 1_000_000_000_000, 0, streamRandom);
  info.protocol = 'HTTP/1.1';
  return info;
}
