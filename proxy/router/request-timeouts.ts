// [w] RequestTimeouts: how long one request and its attempts may take (envoy-behaviour §3.8): route, gRPC and header
// rules. 0 always means: no limit. A request whose headers say nothing shares its route's.
import type { RequestHeaders } from '../http/header-map.ts';
import { H } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import { formatGrpcTimeout, parseGrpcTimeout } from '../http/grpc-timeout.ts';
import { isGrpcRequest } from '../http/local-reply.ts';
import type { RetryPolicy } from './retry-policy.ts';
import { unsignedInteger } from '../http/unsigned-integer.ts';

/** A timer of setTimeout's reach; what is longer than that (24 days) never fires in a request's life. */
export const MAX_TIMER_MS = 2_147_483_647;

export interface TimeoutFacts {
  /** Whole request, retries included. */
  readonly globalMs: number;
  readonly perTryMs: number;
  readonly perTryIdleMs: number;
  /** An attempt that takes longer than `perTryMs` gets company instead of being cut. */
  readonly hedge: boolean;
  /** The upstream is told by `grpc-timeout`, too. */
  readonly grpc: boolean;
  /** Of one attempt's stream, in place of the cluster's; undefined: the cluster's. */
  readonly streamMs: number | undefined;
  /** The client wants an empty 204 instead of a 504. */
  readonly emptyReply: boolean;
}

/** Whether and how the upstream hears of time-outs. */
export interface TimeoutTelling {
  readonly suppressEnvoyHeaders: boolean;
}

/** What of a route's action counts. */
export interface TimeoutSource {
  readonly timeoutMs: number;
  /** Undefined: `grpc-timeout` is not looked at. */
  readonly maxGrpcTimeoutMs: number | undefined;
  readonly grpcTimeoutOffsetMs: number;
  readonly retryPolicy: RetryPolicy | null;
  readonly timeouts: RequestTimeouts;
}

export class RequestTimeouts {
  readonly globalMs: number;
  readonly perTryMs: number;
  readonly perTryIdleMs: number;
  readonly hedge: boolean;
  readonly grpc: boolean;
  readonly streamMs: number | undefined;
  readonly emptyReply: boolean;

  constructor(facts: TimeoutFacts) {
    this.globalMs = facts.globalMs;
    // A limit that the whole request has anyway is none.
    const idle = facts.globalMs !== 0 && facts.perTryMs >= facts.globalMs;
    this.perTryMs = idle ? 0 : facts.perTryMs;
    this.perTryIdleMs = facts.perTryIdleMs;
    this.hedge = facts.hedge;
    this.grpc = facts.grpc;
    this.streamMs = facts.streamMs;
    this.emptyReply = facts.emptyReply;
  }

  static none(): RequestTimeouts {
    return new RequestTimeouts({
      globalMs: 0,
      perTryMs: 0,
      perTryIdleMs: 0,
      hedge: false,
      grpc: false,
      streamMs: undefined,
      emptyReply: false,
    });
  }

  /** Those of a route whose requests say nothing of their own. */
  static ofRoute(action: Omit<TimeoutSource, 'timeouts'>, hedge: boolean): RequestTimeouts {
    return new RequestTimeouts({
      globalMs: action.timeoutMs,
      perTryMs: action.retryPolicy?.perTryTimeoutMs ?? 0,
      perTryIdleMs: action.retryPolicy?.perTryIdleTimeoutMs ?? 0,
      hedge,
      grpc: false,
      streamMs: undefined,
      emptyReply: false,
    });
  }

  /** Takes the headers that say something of it out of the request, but for the one a node before us set. */
  static take(
    action: TimeoutSource,
    headers: RequestHeaders,
    respectExpected: boolean,
  ): RequestTimeouts {
    const route = action.timeouts;
    const grpc = action.maxGrpcTimeoutMs !== undefined && isGrpcRequest(headers);
    if (!grpc && !saysSomething(headers, respectExpected)) return route;
    return new RequestTimeouts({
      globalMs: takeGlobalMs(
        grpc ? grpcTimeoutMs(action, headers) : route.globalMs,
        headers,
        respectExpected,
      ),
      perTryMs:
        takeNumber(headers, H.xEnvoyUpstreamRqPerTryTimeoutMs) ??
        action.retryPolicy?.perTryTimeoutMs ??
        0,
      perTryIdleMs: route.perTryIdleMs,
      hedge: takeHedge(headers) ?? route.hedge,
      grpc,
      streamMs: takeNumber(headers, H.xEnvoyUpstreamStreamDurationMs),
      emptyReply: headers.remove(H.xEnvoyUpstreamRqTimeoutAltResponse),
    });
  }

  /** Tells the upstream; `elapsedMs` counts from the end of the downstream request. */
  tell(headers: RequestHeaders, elapsedMs: number, telling: TimeoutTelling): void {
    const expectedMs = this.#expectedMs(Math.floor(elapsedMs));
    if (expectedMs === 0) return;
    if (!telling.suppressEnvoyHeaders) headers.set(H.xEnvoyExpectedRqTimeoutMs, String(expectedMs));
    if (this.grpc) headers.set(H.grpcTimeout, formatGrpcTimeout(expectedMs));
  }

  /** 0: nothing to tell. Out of time is 1 ms: 0 would be no limit. */
  #expectedMs(elapsedMs: number): number {
    const { globalMs } = this;
    const ownMs = this.hedge || this.perTryMs === 0 ? globalMs : this.perTryMs;
    if (ownMs === 0 || globalMs === 0) return ownMs;
    return elapsedMs >= globalMs ? 1 : Math.min(ownMs, globalMs - elapsedMs);
  }
}

const saysSomething = (headers: RequestHeaders, respectExpected: boolean): boolean =>
  headers.has(H.xEnvoyUpstreamRqTimeoutMs) ||
  headers.has(H.xEnvoyUpstreamRqPerTryTimeoutMs) ||
  headers.has(H.xEnvoyUpstreamStreamDurationMs) ||
  headers.has(H.xEnvoyHedgeOnPerTryTimeout) ||
  headers.has(H.xEnvoyUpstreamRqTimeoutAltResponse) ||
  (respectExpected && headers.has(H.xEnvoyExpectedRqTimeoutMs));

/** Undefined where it is absent or no number. */
function takeNumber(headers: RequestHeaders, name: HeaderName): number | undefined {
  const text = headers.get(name);
  if (text === undefined) return undefined;
  headers.remove(name);
  const value = unsignedInteger(text);
  return Number.isNaN(value) ? undefined : value;
}

function takeGlobalMs(
  otherwiseMs: number,
  headers: RequestHeaders,
  respectExpected: boolean,
): number {
  const expected = respectExpected ? headers.get(H.xEnvoyExpectedRqTimeoutMs) : undefined;
  if (expected === undefined)
    return takeNumber(headers, H.xEnvoyUpstreamRqTimeoutMs) ?? otherwiseMs;
  const value = unsignedInteger(expected);
  return Number.isNaN(value) ? otherwiseMs : value;
}

function takeHedge(headers: RequestHeaders): boolean | undefined {
  const text = headers.get(H.xEnvoyHedgeOnPerTryTimeout);
  if (text === 'true') return true;
  return text === 'false' ? false : undefined;
}

/** What the client grants, less the offset, within the route's limit. */
function grpcTimeoutMs(action: TimeoutSource, headers: RequestHeaders): number {
  let timeoutMs = parseGrpcTimeout(headers.get(H.grpcTimeout)) ?? 0;
  if (action.grpcTimeoutOffsetMs < timeoutMs) timeoutMs -= action.grpcTimeoutOffsetMs;
  const maxMs = action.maxGrpcTimeoutMs!;
  return maxMs !== 0 && (timeoutMs === 0 || timeoutMs > maxMs) ? maxMs : timeoutMs;
}
