// [b] Settings of the rate limit service filter as plain data.
import type { GrpcServiceConfig } from './grpc-service-config.ts';
import type { HeaderAddConfig } from './header-mutation-config.ts';
import type { FractionConfig } from './matcher-config.ts';
import type { RateLimitConfig } from './rate-limit-config.ts';

/** envoy.extensions.filters.http.ratelimit.v3.RateLimit */
export interface RateLimitServiceConfig {
  readonly kind: 'rate_limit_service';
  readonly domain: string;
  readonly stage: number;
  readonly requestType: 'internal' | 'external' | 'both';
  /** Its time-out is the filter's. */
  readonly service: GrpcServiceConfig;
  /** Undefined: by the runtime keys that Envoy has had before. */
  readonly enabled: FractionConfig | undefined;
  readonly enforced: FractionConfig | undefined;
  /** How many of the requests about which nothing was said are refused. */
  readonly failureModeDeny: FractionConfig;
  /** gRPC clients are told 8 instead of what the status means (14 for 429). */
  readonly resourceExhausted: boolean;
  /** x-ratelimit-… on responses. */
  readonly rateLimitHeaders: boolean;
  /** x-envoy-ratelimited on refusals. */
  readonly rateLimitedHeader: boolean;
  /** At least 400. Default 429. */
  readonly status: number;
  /** At least 400. Default 500. */
  readonly statusOnError: number;
  readonly responseHeaders: readonly HeaderAddConfig[];
  /** '' or a name with its dot, as it stands in stats. */
  readonly statPrefix: string;
  /** Of the filter itself; where there are any, those of routes do not count. */
  readonly rateLimits: readonly RateLimitConfig[];
  /** Of the answer's metadata. */
  readonly metadataNamespace: string;
}

/** envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute */
export interface RateLimitServicePerRouteConfig {
  readonly kind: 'rate_limit_service_per_route';
  readonly virtualHostRateLimits: 'OVERRIDE' | 'INCLUDE' | 'IGNORE';
  /** In place of those of filter, route and virtual host; empty: those. */
  readonly rateLimits: readonly RateLimitConfig[];
  /** '': the filter's. */
  readonly domain: string;
}
