// [w] How long one request may take (envoy-behaviour §3.8): route, gRPC and header rules. 0 always means: no limit.
import type { RequestHeaders } from '../http/header-map.ts';
import { H } from '../http/headers.ts';
import { decimalInteger } from './header-matcher.ts';
import type { RouteAction } from './route-action.ts';

/** Whole request, retries included; takes `x-envoy-upstream-rq-timeout-ms` out of the request. */
export function takeGlobalTimeoutMs(
  action: RouteAction,
  headers: RequestHeaders,
  grpc: boolean,
  respectExpected: boolean,
): number {
  let timeoutMs =
    grpc && action.maxGrpcTimeoutMs !== undefined
      ? grpcTimeoutMs(action, headers)
      : action.timeoutMs;
  const expected = respectExpected ? headers.get(H.xEnvoyExpectedRqTimeoutMs) : undefined;
  if (expected !== undefined) return overridden(expected, timeoutMs);
  const asked = headers.get(H.xEnvoyUpstreamRqTimeoutMs);
  if (asked !== undefined) {
    timeoutMs = overridden(asked, timeoutMs);
    headers.remove(H.xEnvoyUpstreamRqTimeoutMs);
  }
  return timeoutMs;
}

/** One attempt; takes the header out. A limit that the whole request has anyway is none. */
export function takePerTryTimeoutMs(
  action: RouteAction,
  headers: RequestHeaders,
  globalTimeoutMs: number,
): number {
  let timeoutMs = action.retryPolicy === null ? 0 : action.retryPolicy.perTryTimeoutMs;
  const asked = headers.get(H.xEnvoyUpstreamRqPerTryTimeoutMs);
  if (asked !== undefined) {
    timeoutMs = overridden(asked, timeoutMs);
    headers.remove(H.xEnvoyUpstreamRqPerTryTimeoutMs);
  }
  return globalTimeoutMs !== 0 && timeoutMs >= globalTimeoutMs ? 0 : timeoutMs;
}

/** What the upstream is told; 0: nothing. `elapsedMs` counts from the end of the downstream request. */
export function expectedTimeoutMs(
  globalTimeoutMs: number,
  perTryTimeoutMs: number,
  elapsedMs: number,
): number {
  if (globalTimeoutMs === 0) return perTryTimeoutMs;
  const leftMs = Math.max(1, Math.floor(globalTimeoutMs - elapsedMs));
  return perTryTimeoutMs === 0 || leftMs < perTryTimeoutMs ? leftMs : perTryTimeoutMs;
}

const overridden = (text: string, otherwiseMs: number): number => {
  const value = decimalInteger(text);
  return value >= 0 ? value : otherwiseMs;
};

function grpcTimeoutMs(action: RouteAction, headers: RequestHeaders): number {
  let timeoutMs = parseGrpcTimeout(headers.get(H.grpcTimeout) ?? '');
  if (action.grpcTimeoutOffsetMs < timeoutMs) timeoutMs -= action.grpcTimeoutOffsetMs;
  const maxMs = action.maxGrpcTimeoutMs!;
  return maxMs !== 0 && (timeoutMs === 0 || timeoutMs > maxMs) ? maxMs : timeoutMs;
}

const UNIT_MS = new Map<string, number>([
  ['H', 3_600_000],
  ['M', 60_000],
  ['S', 1000],
  ['m', 1],
  ['u', 0.001],
  ['n', 0.000_001],
]);

/** At most 8 digits and a unit (attack checklist 42); 0 for anything else. Rounded up to whole ms. */
export function parseGrpcTimeout(text: string): number {
  if (text.length < 2 || text.length > 9) return 0;
  const unit = UNIT_MS.get(text[text.length - 1]!);
  const value = decimalInteger(text.slice(0, -1));
  return unit === undefined || !(value >= 0) ? 0 : Math.ceil(value * unit);
}

/** A timer of setTimeout's reach; what is longer than that (24 days) never fires in a request's life. */
export const MAX_TIMER_MS = 2_147_483_647;
