// [b] Settings of the local rate limit as plain data.
import type { HeaderAddConfig } from './header-mutation-config.ts';
import type { FractionConfig } from './matcher-config.ts';
import type { RateLimitConfig } from './rate-limit-config.ts';

/** envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit; as a per-route setting it replaces the filter's whole. */
export interface LocalRateLimitConfig {
  readonly kind: 'local_rate_limit';
  readonly statPrefix: string;
  /** At least 400. Default 429. */
  readonly status: number;
  /** undefined: only descriptors limit. */
  readonly tokenBucket: TokenBucketConfig | undefined;
  /** undefined: never. */
  readonly enabled: FractionConfig | undefined;
  readonly enforced: FractionConfig | undefined;
  readonly requestHeadersWhenNotEnforced: readonly HeaderAddConfig[];
  readonly responseHeaders: readonly HeaderAddConfig[];
  readonly descriptors: readonly LimitedDescriptorConfig[];
  /** Of the filter itself; where there are any, those of routes do not count. */
  readonly rateLimits: readonly RateLimitConfig[];
  readonly stage: number;
  readonly virtualHostRateLimits: 'OVERRIDE' | 'INCLUDE' | 'IGNORE';
  readonly perConnection: boolean;
  /** x-ratelimit-… on responses. */
  readonly rateLimitHeaders: boolean;
  readonly retryAfterHeader: boolean;
  readonly alwaysConsumeDefault: boolean;
  /** gRPC clients are told 8 instead of what the status means (14 for 429). */
  readonly resourceExhausted: boolean;
}

/**
 * The object itself stands for its bucket: main gives each a place in memory that all workers share
 * (server/token-bucket-places.ts), and names the object in the message that brings it.
 */
export interface TokenBucketConfig {
  readonly maxTokens: number;
  /** Tokens come evenly: so many in each interval. */
  readonly tokensPerFill: number;
  readonly fillIntervalMs: number;
  /** 0: one bucket; for a descriptor with wildcards, how many of its values have a bucket at a time. */
  readonly wildcardValues: number;
}

export interface LimitedDescriptorConfig {
  /** An undefined value is a wildcard. */
  readonly entries: readonly { readonly key: string; readonly value: string | undefined }[];
  readonly tokenBucket: TokenBucketConfig;
  /** Counted, never enforced. */
  readonly shadow: boolean;
}
