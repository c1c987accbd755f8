// [w] The `grpc-timeout` header: digits and a unit, both ways, and the life of a stream that it sets (envoy-behaviour
// §1.9, §3.8).
import type { MaxStreamDurationConfig } from '../config/route-config.ts';
import { H } from './headers.ts';
import type { RequestHeaders } from './header-map.ts';
import { isGrpcRequest } from './local-reply.ts';
import { unsignedInteger } from './unsigned-integer.ts';

const MAX_VALUE = 99_999_999;

const UNIT_MS = new Map<string, number>([
  ['H', 3_600_000],
  ['M', 60_000],
  ['S', 1000],
  ['m', 1],
  ['u', 0.001],
  ['n', 0.000_001],
]);

/** At most 99 999 999 of a unit (attack checklist 42), rounded up to whole ms; undefined for anything else. */
export function parseGrpcTimeout(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const unit = UNIT_MS.get(text[text.length - 1]!);
  const value = unsignedInteger(text.slice(0, -1));
  return unit === undefined || !(value <= MAX_VALUE) ? undefined : Math.ceil(value * unit);
}

/** In the smallest unit whose number has at most eight digits. */
export function formatGrpcTimeout(ms: number): string {
  if (ms <= MAX_VALUE) return `${ms}m`;
  let value = Math.floor(ms / 1000);
  for (const unit of ['S', 'M']) {
    if (value <= MAX_VALUE) return `${value}${unit}`;
    value = Math.floor(value / 60);
  }
  return `${Math.min(value, MAX_VALUE)}H`;
}

/**
 * How long the stream may live by its route; undefined: no limit. `otherwiseMs`: the connection manager's limit, 0 for
 * none. A gRPC request of a route with such limits tells the upstream.
 */
export function takeStreamDurationMs(
  headers: RequestHeaders,
  duration: MaxStreamDurationConfig | undefined,
  otherwiseMs: number,
): number | undefined {
  const limitMs = streamDurationMs(headers, duration, otherwiseMs);
  if (duration === undefined || !isGrpcRequest(headers)) return limitMs;
  if (limitMs !== undefined) headers.set(H.grpcTimeout, formatGrpcTimeout(limitMs));
  else if (otherwiseMs > 0) headers.remove(H.grpcTimeout);
  return limitMs;
}

function streamDurationMs(
  headers: RequestHeaders,
  duration: MaxStreamDurationConfig | undefined,
  otherwiseMs: number,
): number | undefined {
  const maxMs = duration?.grpcTimeoutHeaderMaxMs;
  const asked = maxMs === undefined ? undefined : parseGrpcTimeout(headers.get(H.grpcTimeout));
  if (asked === undefined) {
    const ownMs = duration?.maxStreamDurationMs ?? otherwiseMs;
    return ownMs === 0 ? undefined : ownMs;
  }
  const timeoutMs = maxMs !== 0 && asked > maxMs! ? maxMs! : asked;
  const offsetMs = duration!.grpcTimeoutHeaderOffsetMs;
  return timeoutMs === 0 ? 0 : Math.max(0, timeoutMs - offsetMs);
}
