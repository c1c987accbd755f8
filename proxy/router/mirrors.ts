// [w] The copies of requests that other clusters get (envoy-behaviour §3.7): MirrorPolicies of a route, Mirrors of one request. Loaded by
// the first route that has some.
import type { HeaderMap, RequestHeaders } from '../http/header-map.ts';
import { H } from '../http/headers.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import type { Host } from '../upstream/host.ts';
import type { HttpConnPool } from '../upstream/conn-pool/conn-pool.ts';
import type { ThreadLocalCluster } from '../upstream/thread-local-cluster.ts';
import type { RequestMirrorConfig } from '../config/route-config.ts';
import { MirrorPolicy } from './mirror-policy.ts';
import type { RouteAction } from './route-action.ts';
import type { RouteEnvironment } from './route-environment.ts';
import type { RouterContext } from './router-context.ts';
import { ShadowRequest } from './shadow-request.ts';
import { transportOverridesOf } from './transport-overrides.ts';

/** What copies are made of. */
export interface MirroredRequest {
  /** As they go to the real upstream. */
  readonly headers: RequestHeaders;
  readonly info: StreamInfo;
  readonly endStream: boolean;
  /** Of the whole request; 0: none. */
  readonly timeoutMs: number;
}

export class MirrorPolicies {
  readonly #policies: readonly MirrorPolicy[];

  /** Throws ConfigError with the place in `place` for a bad regex or %COMMAND%. */
  constructor(
    configs: readonly RequestMirrorConfig[],
    environment: RouteEnvironment,
    place: string,
  ) {
    this.#policies = configs.map(
      (config, i) => new MirrorPolicy(config, environment, `${place}[${i}]`),
    );
  }

  /** Null: no copy is made. */
  start(action: RouteAction, context: RouterContext, request: MirroredRequest): Mirrors | null {
    // Who asks for a tunnel is no example to others.
    if (request.headers.method === 'CONNECT') return null;
    const shadows: ShadowRequest[] = [];
    for (const policy of this.#policies) {
      const shadow = startShadow(policy, action, context, request);
      if (shadow !== null) shadows.push(shadow);
    }
    return shadows.length === 0 ? null : new Mirrors(shadows);
  }
}

export class Mirrors {
  readonly #shadows: readonly ShadowRequest[];

  constructor(shadows: readonly ShadowRequest[]) {
    this.#shadows = shadows;
  }

  sendData(chunk: Buffer, endStream: boolean): void {
    for (const shadow of this.#shadows) shadow.sendData(chunk, endStream);
  }

  sendTrailers(trailers: HeaderMap): void {
    for (const shadow of this.#shadows) shadow.sendTrailers(trailers);
  }

  /** The request will not become complete. */
  cancel(): void {
    for (const shadow of this.#shadows) shadow.cancel();
  }
}

/** Null where the policy does not want it, or cluster or host is missing. */
function startShadow(
  policy: MirrorPolicy,
  action: RouteAction,
  context: RouterContext,
  request: MirroredRequest,
): ShadowRequest | null {
  const { info, timeoutMs } = request;
  const cluster = context.clusters.get(policy.clusterFor(request.headers, info));
  if (cluster === undefined) return null;
  const headers = policy.copy(request.headers, info, context.nodeIp);
  // A copy is never tried again: the whole time is its own.
  if (timeoutMs > 0 && headers.has(H.xEnvoyExpectedRqTimeoutMs))
    headers.set(H.xEnvoyExpectedRqTimeoutMs, String(timeoutMs));
  const host = cluster.chooseHost(null);
  const pool = host === null ? null : poolFor(cluster, host, action, { headers, info });
  if (host === null || pool === null) {
    const copy = { headers, clusterStats: cluster.stats, scopes: null, healthCheck: false };
    context.charges.localReply(copy, null, 503);
    return null;
  }
  const shadow = new ShadowRequest(context, headers, {
    stats: cluster.stats,
    host,
    pool,
    timeoutMs,
  });
  shadow.start(request.endStream);
  return shadow;
}

function poolFor(
  cluster: ThreadLocalCluster,
  host: Host,
  { priority }: RouteAction,
  { headers, info }: { readonly headers: RequestHeaders; readonly info: StreamInfo },
): HttpConnPool | null {
  const wishes = transportOverridesOf(cluster.config, host, headers, info);
  return cluster.httpPool(host, priority, info, wishes);
}
