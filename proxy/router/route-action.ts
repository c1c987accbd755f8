// [b] RouteAction: what forwarding needs of a route, compiled (envoy-behaviour §3.3–§3.8).
import { lazyPart } from '../base/lazy-part.ts';
import type { RouteActionConfig } from '../config/route-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { H } from '../http/headers.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { ConnectRule } from './connect-termination.ts';
import type { HashPolicy } from './hash-policy.ts';
import { HostRewriter } from './host-rewriter.ts';
import type { MirrorPolicies } from './mirrors.ts';
import { PathRewriter } from './path-rewriter.ts';
import { compileRateLimits } from './rate-limits.ts';
import type { RateLimitPolicy } from './rate-limit-policy.ts';
import type { InternalRedirectPolicy } from './internal-redirect.ts';
import { RequestTimeouts } from './request-timeouts.ts';
import { RetryPolicy } from './retry-policy.ts';
import type { RouteEnvironment } from './route-environment.ts';
import type { RouteMatcher } from './route-matcher.ts';
import type { RouteScope } from './route-scope.ts';
import { WeightedClusters } from './weighted-clusters.ts';

const connectTermination = lazyPart<typeof import('./connect-termination.ts')>(
  'router/connect-termination',
);
const hashPolicy = lazyPart<typeof import('./hash-policy.ts')>('router/hash-policy');
const internalRedirect = lazyPart<typeof import('./internal-redirect.ts')>(
  'router/internal-redirect',
);
const mirrors = lazyPart<typeof import('./mirrors.ts')>('router/mirrors');

export class RouteAction {
  readonly weighted: WeightedClusters | null;
  readonly clusterNotFoundStatus: number;
  /** 0: none. */
  readonly timeoutMs: number;
  /** Undefined: `grpc-timeout` is not looked at. */
  readonly maxGrpcTimeoutMs: number | undefined;
  readonly grpcTimeoutOffsetMs: number;
  readonly retryPolicy: RetryPolicy | null;
  /** Of requests whose headers say nothing of them. */
  readonly timeouts: RequestTimeouts;
  /** Nothing that is not idempotent is sent twice. */
  readonly guardReplays: boolean;
  /** What met a dead connection is sent once more. */
  readonly replayStale: boolean;
  /** Null: redirects go to the client. */
  readonly internalRedirect: InternalRedirectPolicy | null;
  readonly priority: 'DEFAULT' | 'HIGH';
  readonly hashPolicy: HashPolicy | null;
  /** Null: nobody gets copies. */
  readonly mirrors: MirrorPolicies | null;
  readonly autoHostRewrite: boolean;
  readonly appendXForwardedHost: boolean;
  /** Null: no CONNECT ends here. */
  readonly connect: ConnectRule | null;
  readonly rateLimits: RateLimitPolicy | null;
  readonly includeVirtualHostRateLimits: boolean;
  readonly #pathRewriter: PathRewriter | null;
  readonly #hostRewriter: HostRewriter;
  /** Nothing of host or path is rewritten. */
  readonly #plain: boolean;

  /** `scope`: its retry policy is used where the route has none. Throws ConfigError with `place`. */
  constructor(
    config: RouteActionConfig,
    matcher: RouteMatcher,
    scope: Pick<RouteScope, 'retryPolicy' | 'hedgeOnPerTryTimeout' | 'environment'>,
    place: string,
  ) {
    this.clusterNotFoundStatus = config.clusterNotFoundStatus;
    // With max_stream_duration the connection manager keeps the clock and the route's time-out is not used.
    this.timeoutMs = config.maxStreamDuration === undefined ? config.timeoutMs : 0;
    this.maxGrpcTimeoutMs =
      config.maxStreamDuration === undefined ? config.maxGrpcTimeoutMs : undefined;
    this.grpcTimeoutOffsetMs = config.grpcTimeoutOffsetMs ?? 0;
    this.retryPolicy =
      config.retryPolicy === undefined
        ? scope.retryPolicy
        : new RetryPolicy(config.retryPolicy, `${place}.retry_policy`, scope.environment.runtime);
    this.timeouts = RequestTimeouts.ofRoute(
      this,
      config.hedgeOnPerTryTimeout ?? scope.hedgeOnPerTryTimeout,
    );
    this.guardReplays = config.guardReplays ?? scope.environment.guardReplays ?? false;
    this.replayStale = config.replayStale ?? scope.environment.replayStale ?? true;
    this.internalRedirect =
      config.internalRedirect === undefined
        ? null
        : new (internalRedirect().InternalRedirectPolicy)(config.internalRedirect);
    this.priority = config.priority;
    this.hashPolicy =
      config.hashPolicy.length === 0
        ? null
        : new (hashPolicy().HashPolicy)(config.hashPolicy, `${place}.hash_policy`);
    this.weighted =
      config.cluster.kind === 'weighted'
        ? new WeightedClusters(
            config.cluster,
            this.hashPolicy,
            scope.environment,
            `${place}.weighted_clusters`,
          )
        : null;
    this.mirrors = mirrorsOf(config, scope.environment, `${place}.request_mirror_policies`);
    this.autoHostRewrite = config.autoHostRewrite;
    this.appendXForwardedHost = config.appendXForwardedHost;
    this.connect = connectRuleOf(config);
    this.rateLimits = compileRateLimits(config.rateLimits ?? [], `${place}.rate_limits`);
    this.includeVirtualHostRateLimits = config.includeVirtualHostRateLimits === true;
    this.#pathRewriter = PathRewriter.from(config, matcher, place);
    this.#hostRewriter = new HostRewriter(config, place);
    this.#plain = this.#pathRewriter === null && this.#hostRewriter.empty;
  }

  /** Host, then path. `keepOriginals`: also set `x-envoy-original-*`. */
  rewrite(headers: RequestHeaders, info: StreamInfo, keepOriginals: boolean): void {
    if (this.#plain) return;
    const host = this.#hostRewriter.newHost(headers, info);
    if (host !== undefined && host !== '') this.replaceHost(headers, host, keepOriginals);
    const path = this.#pathRewriter?.rewrite(headers, info);
    if (path === undefined) return;
    if (keepOriginals) headers.set(H.xEnvoyOriginalPath, headers.path);
    headers.path = path;
  }

  /** Also used by `auto_host_rewrite`, once the host is known. */
  replaceHost(headers: RequestHeaders, host: string, keepOriginals: boolean): void {
    const old = headers.authority ?? '';
    if (keepOriginals) headers.set(H.xEnvoyOriginalHost, old);
    if (this.appendXForwardedHost && old !== '') {
      const forwarded = headers.get(H.xForwardedHost);
      // Envoy does not trim: `a, h` does not end in `h`.
      if (forwarded === undefined || forwarded.slice(forwarded.lastIndexOf(',') + 1) !== old)
        headers.append(H.xForwardedHost, old);
    }
    headers.authority = host;
  }
}

const mirrorsOf = (
  { mirrors: configs }: RouteActionConfig,
  environment: RouteEnvironment,
  place: string,
): MirrorPolicies | null =>
  configs.length === 0 ? null : new (mirrors().MirrorPolicies)(configs, environment, place);

function connectRuleOf({ upgrades }: RouteActionConfig): ConnectRule | null {
  const connect = upgrades.find(({ type }) => type === 'connect')?.connect;
  return connect === undefined ? null : new (connectTermination().ConnectRule)(connect);
}
