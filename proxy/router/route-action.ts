// [b] RouteAction: what forwarding needs of a route, compiled (envoy-behaviour §3.3–§3.8).
import { ConfigError } from '../config/config-error.ts';
import type { FractionConfig } from '../config/matcher-config.ts';
import type { RequestMirrorConfig, RouteActionConfig } from '../config/route-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { H, headerName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import { HashPolicy } from './hash-policy.ts';
import { HostRewriter } from './host-rewriter.ts';
import { PathRewriter, pathWithoutQuery } from './path-rewriter.ts';
import { RateLimitPolicy } from './rate-limit-policy.ts';
import { RetryPolicy } from './retry-policy.ts';
import type { RouteMatcher } from './route-matcher.ts';
import { WeightedClusters } from './weighted-clusters.ts';

export interface MirrorPolicy {
  readonly cluster: string;
  readonly fraction: FractionConfig | undefined;
  readonly appendHostSuffix: boolean;
}

export class RouteAction {
  /** '' where a header or weights decide. */
  readonly clusterName: string;
  readonly clusterHeader: HeaderName | null;
  readonly weighted: WeightedClusters | null;
  readonly clusterNotFoundStatus: number;
  /** 0: none. */
  readonly timeoutMs: number;
  /** Undefined: `grpc-timeout` is not looked at. */
  readonly maxGrpcTimeoutMs: number | undefined;
  readonly grpcTimeoutOffsetMs: number;
  readonly retryPolicy: RetryPolicy | null;
  readonly priority: 'DEFAULT' | 'HIGH';
  readonly hashPolicy: HashPolicy | null;
  readonly mirrors: readonly MirrorPolicy[];
  readonly autoHostRewrite: boolean;
  readonly appendXForwardedHost: boolean;
  readonly rateLimits: RateLimitPolicy | null;
  readonly includeVirtualHostRateLimits: boolean;
  readonly #matcher: RouteMatcher;
  readonly #pathRewriter: PathRewriter | null;
  readonly #hostRewriter: HostRewriter;
  /** Nothing of host or path is rewritten, whichever weighted entry is taken. */
  readonly #plain: boolean;

  /** `vhostRetryPolicy`: used where the route has none. Throws ConfigError with `place`. */
  constructor(
    config: RouteActionConfig,
    matcher: RouteMatcher,
    vhostRetryPolicy: RetryPolicy | null,
    place: string,
  ) {
    const cluster = config.cluster;
    this.clusterName = cluster.kind === 'cluster' ? cluster.name : '';
    this.clusterHeader = cluster.kind === 'cluster_header' ? headerName(cluster.header) : null;
    this.weighted =
      cluster.kind === 'weighted'
        ? new WeightedClusters(cluster, `${place}.weighted_clusters`)
        : null;
    this.clusterNotFoundStatus = config.clusterNotFoundStatus;
    // With max_stream_duration the connection manager keeps the clock and the route's time-out is not used.
    this.timeoutMs = config.maxStreamDuration === undefined ? config.timeoutMs : 0;
    this.maxGrpcTimeoutMs =
      config.maxStreamDuration === undefined ? config.maxGrpcTimeoutMs : undefined;
    this.grpcTimeoutOffsetMs = config.grpcTimeoutOffsetMs ?? 0;
    this.retryPolicy =
      config.retryPolicy === undefined
        ? vhostRetryPolicy
        : new RetryPolicy(config.retryPolicy, `${place}.retry_policy`);
    this.priority = config.priority;
    this.hashPolicy =
      config.hashPolicy.length === 0
        ? null
        : new HashPolicy(config.hashPolicy, `${place}.hash_policy`);
    this.mirrors = config.mirrors.map(mirrorPolicy);
    this.autoHostRewrite = config.autoHostRewrite;
    this.appendXForwardedHost = config.appendXForwardedHost;
    this.rateLimits = RateLimitPolicy.from(config.rateLimits ?? [], `${place}.rate_limits`);
    this.includeVirtualHostRateLimits = config.includeVirtualHostRateLimits === true;
    this.#matcher = matcher;
    if (config.pathRewriteTemplate !== undefined) {
      throw new ConfigError([
        {
          path: `${place}.path_rewrite_policy`,
          message: 'URI template rewrites are not supported yet',
        },
      ]);
    }
    this.#pathRewriter = PathRewriter.from(config.prefixRewrite, config.regexRewrite, place);
    this.#hostRewriter = new HostRewriter(config, place);
    this.#plain =
      this.#pathRewriter === null &&
      this.#hostRewriter.empty &&
      this.weighted?.entriesDiffer !== true;
  }

  clusterNameFor(headers: RequestHeaders, info: StreamInfo): string {
    if (this.weighted !== null) return this.weighted.pick(headers, info).name;
    if (this.clusterHeader !== null) return headers.getAny(this.clusterHeader) ?? '';
    return this.clusterName;
  }

  /** Host, then path. `keepOriginals`: also set `x-envoy-original-*`. */
  rewrite(headers: RequestHeaders, info: StreamInfo, keepOriginals: boolean): void {
    if (this.#plain) return;
    const host = this.#newHost(headers, info);
    if (host !== undefined && host !== '') this.replaceHost(headers, host, keepOriginals);
    if (this.#pathRewriter === null) return;
    const matched = this.#matcher.matchedLength(pathWithoutQuery(headers.path));
    if (keepOriginals) headers.set(H.xEnvoyOriginalPath, headers.path);
    headers.path = this.#pathRewriter.rewrite(headers.path, matched);
  }

  /** Also used by `auto_host_rewrite`, once the host is known. */
  replaceHost(headers: RequestHeaders, host: string, keepOriginals: boolean): void {
    const old = headers.authority ?? '';
    if (keepOriginals) headers.set(H.xEnvoyOriginalHost, old);
    if (this.appendXForwardedHost && old !== '') {
      const forwarded = headers.get(H.xForwardedHost);
      if (forwarded === undefined || lastElement(forwarded) !== old)
        headers.append(H.xForwardedHost, old);
    }
    headers.authority = host;
  }

  #newHost(headers: RequestHeaders, info: StreamInfo): string | undefined {
    if (this.weighted?.entriesDiffer === true) {
      const literal = this.weighted.pick(headers, info).hostRewriteLiteral;
      if (literal !== undefined) return literal;
    }
    return this.#hostRewriter.newHost(headers);
  }
}

const mirrorPolicy = (config: RequestMirrorConfig): MirrorPolicy => ({
  cluster: config.cluster,
  fraction: config.fraction,
  appendHostSuffix: !config.disableShadowHostSuffixAppend,
});

function lastElement(list: string): string {
  let start = list.lastIndexOf(',') + 1;
  while (start < list.length && list.charCodeAt(start) === 0x20) start++;
  return list.slice(start);
}
