// [b] Settings of the HTTP connection manager as plain data
// (envoy.extensions.filters.network.http_connection_manager.v3; defaults from envoy-behaviour §1).
import type { StringMatchConfig } from './matcher-config.ts';
import type { AccessLogConfig, AccessLogOptionsConfig } from './access-log-config.ts';
import { ADS_FOR_EVER } from './config-source.ts';
import type { SourceRef, SubscriptionRef } from './config-source.ts';
import type { Http2Config } from './http2-config.ts';
import type { HeaderOperationConfig } from './header-mutation-filter-config.ts';
import type { HttpFilterConfig } from './http-filter-config.ts';
import type { IpDetectionConfig } from './ip-detection-config.ts';
import type { CidrConfig } from './listener-config.ts';
import type { LocalReplyConfig } from './local-reply-config.ts';
import type { RouteConfig, UpgradeConfig } from './route-config.ts';
import type { ScopedRoutesConfig } from './scoped-routes-config.ts';
import type { SamplingConfig } from './tracing-config.ts';

export interface HttpConnectionManagerConfig {
  readonly codecType: 'AUTO' | 'HTTP1' | 'HTTP2';
  readonly statPrefix: string;
  readonly routes:
    | { readonly kind: 'inline'; readonly config: RouteConfig }
    | RdsConfig
    | ScopedRoutesConfig;
  readonly httpFilters: readonly HttpFilterConfig[];
  readonly accessLogs: readonly AccessLogConfig[];
  readonly localReply: LocalReplyConfig | undefined;
  /** Absent: a line at the end only. */
  readonly accessLogOptions?: AccessLogOptionsConfig | undefined;
  readonly useRemoteAddress: boolean;
  readonly xffNumTrustedHops: number;
  readonly skipXffAppend: boolean;
  readonly appendXForwardedPort: boolean;
  /** Asked in order instead of the two rules above; empty: those. */
  readonly originalIpDetection: readonly IpDetectionConfig[];
  readonly earlyHeaderMutations: readonly HeaderOperationConfig[];
  /** Undefined: no address is internal (Envoy 1.36 and later). */
  readonly internalAddresses:
    | { readonly cidrs: readonly CidrConfig[]; readonly unixSockets: boolean }
    | undefined;
  readonly generateRequestId: boolean;
  readonly preserveExternalRequestId: boolean;
  readonly alwaysSetRequestIdInResponse: boolean;
  readonly packTraceReason: boolean;
  /** Off: every request is traced. */
  readonly sampleByRequestId: boolean;
  /** Undefined: no request is traced. */
  readonly tracing: SamplingConfig | undefined;
  readonly addUserAgent: boolean;
  readonly via: string;
  readonly serverName: string;
  readonly serverHeaderTransformation: 'OVERWRITE' | 'APPEND_IF_ABSENT' | 'PASS_THROUGH';
  readonly schemeToOverwrite: 'http' | 'https' | undefined;
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly pathWithEscapedSlashesAction:
    | 'KEEP_UNCHANGED'
    | 'REJECT_REQUEST'
    | 'UNESCAPE_AND_REDIRECT'
    | 'UNESCAPE_AND_FORWARD';
  readonly stripMatchingHostPort: boolean;
  readonly stripAnyHostPort: boolean;
  readonly stripTrailingHostDot: boolean;
  readonly forwardClientCertDetails:
    | 'SANITIZE'
    | 'FORWARD_ONLY'
    | 'APPEND_FORWARD'
    | 'SANITIZE_SET'
    | 'ALWAYS_FORWARD_ONLY';
  readonly proxyStatus: ProxyStatusConfig | undefined;
  readonly proxy100Continue: boolean;
  readonly streamErrorOnInvalidHttpMessage: boolean;
  readonly upgrades: readonly UpgradeConfig[];
  /** All time-outs in ms; 0 switches one off. */
  readonly idleTimeoutMs: number;
  readonly streamIdleTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly requestHeadersTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  /** Up to so much more, by chance. */
  readonly maxConnectionDurationJitterPercent: number;
  /** A connection past that age ends with its next response. */
  readonly http1SafeMaxConnectionDuration: boolean;
  readonly maxStreamDurationMs: number;
  readonly drainTimeoutMs: number;
  readonly drainTimeoutJitterPercent: number;
  readonly delayedCloseTimeoutMs: number;
  /** 0: unlimited. */
  readonly maxRequestsPerConnection: number;
  readonly maxRequestHeadersKb: number;
  readonly maxHeadersCount: number;
  readonly headersWithUnderscoresAction: 'ALLOW' | 'REJECT_REQUEST' | 'DROP_HEADER';
  readonly http1: Http1ServerConfig;
  readonly http2: Http2Config;
  /** What of the client's certificate goes into x-forwarded-client-cert; absent: nothing. */
  readonly setCurrentClientCertDetails?: ClientCertDetailsConfig | undefined;
  /** Things accepted that do nothing yet (tracing …), for dumps. */
  readonly inert?: readonly string[] | undefined;
}

/** What the HTTP/1 codec asks for. */
export type Http1ServerSettings = Pick<
  HttpConnectionManagerConfig,
  | 'useRemoteAddress'
  | 'xffNumTrustedHops'
  | 'maxRequestHeadersKb'
  | 'maxHeadersCount'
  | 'headersWithUnderscoresAction'
  | 'http1'
>;

export interface RdsConfig {
  readonly kind: 'rds';
  readonly name: string;
  /** Absent: by ADS, and waited for for ever. */
  readonly from?: SourceRef;
}

/** Tables that stand in the configuration itself. */
export function inlineTables({
  routes,
}: Pick<HttpConnectionManagerConfig, 'routes'>): readonly RouteConfig[] {
  if (routes.kind === 'rds') return [];
  if (routes.kind === 'inline') return [routes.config];
  return routes.scopes.flatMap(({ inline }) => inline ?? []);
}

export const routeRef = ({ name, from = ADS_FOR_EVER }: RdsConfig): SubscriptionRef => ({
  name,
  ...from,
});

/** Proxy-Status (RFC 9209). */
export interface ProxyStatusConfig {
  readonly removeDetails: boolean;
  readonly removeConnectionTerminationDetails: boolean;
  readonly removeResponseFlags: boolean;
  readonly setRecommendedResponseCode: boolean;
  /** The proxy is called by its node id; else by its server name. */
  readonly useNodeId: boolean;
  readonly literalProxyName: string | undefined;
}

export interface ClientCertDetailsConfig {
  readonly subject: boolean;
  readonly cert: boolean;
  readonly chain: boolean;
  readonly dns: boolean;
  readonly uri: boolean;
}

export interface Http1ServerConfig {
  readonly allowAbsoluteUrl: boolean;
  readonly acceptHttp10: boolean;
  readonly defaultHostForHttp10: string;
  readonly enableTrailers: boolean;
  readonly allowChunkedLength: boolean;
  /** Any token is a method. */
  readonly allowCustomMethods: boolean;
  /** Upgrade types that are passed over as if nobody had asked. */
  readonly ignoredUpgrades?: readonly StringMatchConfig[];
  readonly headerKeyFormat: HeaderKeyFormat;
}

/** How names of fields are written: as the map has them, `Content-Type`, or as the peer of the message wrote them. */
export type HeaderKeyFormat = 'lower' | 'proper_case' | PreserveCaseConfig;

export interface PreserveCaseConfig {
  /** Of responses, where the cluster reads them. */
  readonly forwardReasonPhrase: boolean;
  /** Names that the peer did not send are written like `X-Envoy-Attempt-Count`; else in lower case. */
  readonly properCaseForOthers: boolean;
}
