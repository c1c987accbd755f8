// [w] What a request's own headers ask of retries (envoy-behaviour §4.1): read, and taken out before it goes upstream.
import type { RequestHeaders } from '../http/header-map.ts';
import { H, wireHeaderName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import { unsignedInteger } from '../http/unsigned-integer.ts';
import { parseRetryGrpcOn, parseRetryOn, splitList } from './retry-policy.ts';
import type { RetryPolicy } from './retry-policy.ts';

/** Names and values a client may add to the policy's; bounded, because they come off the wire. */
const MAX_LIST_ITEMS = 64;

/** Null: nothing. They are gone from `headers` afterwards. */
export function takeRetryHeaders(
  headers: RequestHeaders,
  policy: RetryPolicy,
): RetryHeaders | null {
  const asked = hasRetryHeaders(headers) ? readRetryHeaders(headers, policy) : null;
  removeRetryHeaders(headers);
  return asked;
}

export interface RetryHeaders {
  readonly conditions: number;
  readonly maxRetries: number;
  readonly statusCodes: readonly number[];
  readonly headerNames: readonly HeaderName[] | null;
}

const hasRetryHeaders = (headers: RequestHeaders): boolean =>
  headers.has(H.xEnvoyRetryOn) ||
  headers.has(H.xEnvoyRetryGrpcOn) ||
  headers.has(H.xEnvoyMaxRetries) ||
  headers.has(H.xEnvoyRetriableStatusCodes) ||
  headers.has(H.xEnvoyRetriableHeaderNames);

function readRetryHeaders(headers: RequestHeaders, policy: RetryPolicy): RetryHeaders {
  let conditions = parseRetryOn(headers.get(H.xEnvoyRetryOn) ?? '');
  conditions |= parseRetryGrpcOn(headers.get(H.xEnvoyRetryGrpcOn) ?? '');
  const maxRetries = unsignedInteger(headers.get(H.xEnvoyMaxRetries) ?? '');
  const statusCodes = [...policy.retriableStatusCodes];
  for (const item of splitList(headers.get(H.xEnvoyRetriableStatusCodes) ?? '').slice(
    0,
    MAX_LIST_ITEMS,
  )) {
    const code = unsignedInteger(item);
    if (code >= 0) statusCodes.push(code);
  }
  const names = splitList(headers.get(H.xEnvoyRetriableHeaderNames) ?? '').slice(0, MAX_LIST_ITEMS);
  return {
    conditions,
    // 32 bits in Envoy: what is above them is cut off.
    maxRetries: maxRetries >= 0 ? maxRetries % 2 ** 32 : policy.numRetries,
    statusCodes,
    headerNames:
      names.length === 0 ? null : names.map((name) => wireHeaderName(name.toLowerCase())),
  };
}

function removeRetryHeaders(headers: RequestHeaders): void {
  headers.remove(H.xEnvoyRetryOn);
  headers.remove(H.xEnvoyRetryGrpcOn);
  headers.remove(H.xEnvoyMaxRetries);
  headers.remove(H.xEnvoyHedgeOnPerTryTimeout);
  headers.remove(H.xEnvoyRetriableHeaderNames);
  headers.remove(H.xEnvoyRetriableStatusCodes);
}
