// [b] RetryPolicy: conditions as bits, compiled once per route or virtual host (envoy-behaviour §4.1, §4.2).
import { Runtime } from '../base/runtime.ts';
import type { RetryPolicyConfig } from '../config/route-config.ts';
import { RateLimitedBackoff } from './rate-limited-backoff.ts';
import { compileHostPredicates } from './retry-host-predicates.ts';
import type { RetryHostPredicate } from './retry-host-predicates.ts';
import type { HeaderMatcher } from './header-matcher.ts';
import { compileHeaderMatchers } from './header-matcher.ts';

export const RetryOn = {
  FiveXx: 1 << 0,
  GatewayError: 1 << 1,
  Reset: 1 << 2,
  ResetBeforeRequest: 1 << 3,
  ConnectFailure: 1 << 4,
  RefusedStream: 1 << 5,
  Retriable4xx: 1 << 6,
  RetriableStatusCodes: 1 << 7,
  RetriableHeaders: 1 << 8,
  EnvoyRateLimited: 1 << 9,
  Cancelled: 1 << 10,
  DeadlineExceeded: 1 << 11,
  Internal: 1 << 12,
  ResourceExhausted: 1 << 13,
  Unavailable: 1 << 14,
  Http3PostConnectFailure: 1 << 15,
} as const;

/** Conditions that look at `grpc-status`. */
export const ANY_GRPC_CONDITION =
  RetryOn.Cancelled |
  RetryOn.DeadlineExceeded |
  RetryOn.Internal |
  RetryOn.ResourceExhausted |
  RetryOn.Unavailable;

const HTTP_NAMES = new Map<string, number>([
  ['5xx', RetryOn.FiveXx],
  ['gateway-error', RetryOn.GatewayError],
  ['reset', RetryOn.Reset],
  ['reset-before-request', RetryOn.ResetBeforeRequest],
  ['connect-failure', RetryOn.ConnectFailure],
  ['refused-stream', RetryOn.RefusedStream],
  ['retriable-4xx', RetryOn.Retriable4xx],
  ['retriable-status-codes', RetryOn.RetriableStatusCodes],
  ['retriable-headers', RetryOn.RetriableHeaders],
  ['envoy-ratelimited', RetryOn.EnvoyRateLimited],
  ['http3-post-connect-failure', RetryOn.Http3PostConnectFailure],
]);

const GRPC_NAMES = new Map<string, number>([
  ['cancelled', RetryOn.Cancelled],
  ['deadline-exceeded', RetryOn.DeadlineExceeded],
  ['internal', RetryOn.Internal],
  ['resource-exhausted', RetryOn.ResourceExhausted],
  ['unavailable', RetryOn.Unavailable],
]);

/** Bits of a comma list; unknown names are passed over. */
export function parseRetryOn(text: string): number {
  return parseList(text, HTTP_NAMES);
}

export function parseRetryGrpcOn(text: string): number {
  return parseList(text, GRPC_NAMES);
}

/** True when every name of the list is known: for the strict header check. */
export const allRetryOnKnown = (text: string): boolean =>
  splitList(text).every((name) => HTTP_NAMES.has(name));
export const allRetryGrpcOnKnown = (text: string): boolean =>
  splitList(text).every((name) => GRPC_NAMES.has(name));

function parseList(text: string, names: ReadonlyMap<string, number>): number {
  let bits = 0;
  for (const name of splitList(text)) bits |= names.get(name) ?? 0;
  return bits;
}

/** At commas, spaces around cut, empty ones left out. */
export function splitList(text: string): string[] {
  const items: string[] = [];
  for (const item of text.split(',')) {
    let start = 0;
    let end = item.length;
    while (start < end && isBlank(item, start)) start++;
    while (end > start && isBlank(item, end - 1)) end--;
    if (end > start) items.push(item.slice(start, end));
  }
  return items;
}

const isBlank = (text: string, at: number): boolean =>
  text.charCodeAt(at) === 0x20 || text.charCodeAt(at) === 0x09;

const BASE_INTERVAL_KEY = 'upstream.base_retry_backoff_ms';

export class RetryPolicy {
  readonly conditions: number;
  readonly numRetries: number;
  /** 0: none. */
  readonly perTryTimeoutMs: number;
  readonly perTryIdleTimeoutMs: number;
  readonly baseIntervalMs: number;
  readonly maxIntervalMs: number;
  readonly retriableStatusCodes: readonly number[];
  readonly retriableHeaders: readonly HeaderMatcher[];
  readonly retriableRequestHeaders: readonly HeaderMatcher[];
  /** Null: answers say nothing of when to come back. */
  readonly rateLimitedBackoff: RateLimitedBackoff | null;
  readonly hostPredicates: readonly RetryHostPredicate[];
  readonly hostSelectionRetryMaxAttempts: number;
  /** 0: retries choose their priority as first attempts do. */
  readonly previousPrioritiesUpdateFrequency: number;

  /** Throws ConfigError with `place` for a bad regex. */
  constructor(config: RetryPolicyConfig, place: string, runtime = Runtime.EMPTY) {
    let conditions = 0;
    for (const name of config.retryOn)
      conditions |= HTTP_NAMES.get(name) ?? GRPC_NAMES.get(name) ?? 0;
    this.conditions = conditions;
    this.numRetries = config.numRetries;
    this.perTryTimeoutMs = config.perTryTimeoutMs ?? 0;
    this.perTryIdleTimeoutMs = config.perTryIdleTimeoutMs ?? 0;
    const baseMs = Math.max(1, config.baseIntervalMs);
    const byRuntime = config.defaultBackoff === true;
    this.baseIntervalMs = byRuntime
      ? Math.max(1, runtime.integer(BASE_INTERVAL_KEY, baseMs))
      : baseMs;
    this.maxIntervalMs = byRuntime ? 10 * this.baseIntervalMs : config.maxIntervalMs;
    this.retriableStatusCodes = config.retriableStatusCodes;
    this.retriableHeaders = compileHeaderMatchers(
      config.retriableHeaders,
      `${place}.retriable_headers`,
    );
    this.retriableRequestHeaders = compileHeaderMatchers(
      config.retriableRequestHeaders,
      `${place}.retriable_request_headers`,
    );
    this.rateLimitedBackoff =
      config.rateLimitedBackoff === undefined
        ? null
        : new RateLimitedBackoff(config.rateLimitedBackoff);
    this.hostPredicates = compileHostPredicates(config.hostPredicates);
    this.hostSelectionRetryMaxAttempts = config.hostSelectionRetryMaxAttempts;
    this.previousPrioritiesUpdateFrequency = config.previousPrioritiesUpdateFrequency ?? 0;
  }
}

/** What requests get that ask for retries by header where no route does (envoy-behaviour §4.1). */
export const HEADER_ONLY_POLICY = new RetryPolicy(
  {
    retryOn: [],
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
  },
  '',
);
