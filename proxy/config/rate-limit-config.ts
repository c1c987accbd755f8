// [b] What of a request becomes a rate limit descriptor, as plain data (envoy.config.route.v3.RateLimit).
import type { CidrConfig } from './listener-config.ts';
import type { HeaderMatchConfig, QueryMatchConfig } from './matcher-config.ts';

/** One descriptor: the entries its actions give, or none when an action gives none. */
export interface RateLimitConfig {
  /** 0 to 10: only filters of this stage look at it. */
  readonly stage: number;
  /** Runtime key; '' for none. The local rate limit passes over entries that have one. */
  readonly disableKey: string;
  readonly actions: readonly RateLimitActionConfig[];
  /** How much a request counts for; undefined: the filter's own default. */
  readonly hitsAddend: number | undefined;
  /** Whether a local rate limit tells of it in x-ratelimit headers; undefined or absent: as the filter has it. */
  readonly rateLimitHeaders?: boolean | undefined;
  /** Of a rate limit service; absent: its own. */
  readonly limit?: RateLimitLimitConfig | undefined;
}

export type RateLimitLimitConfig =
  | {
      readonly kind: 'metadata';
      /** Where in the dynamic metadata of a request the limit stands. */
      readonly namespace: string;
      readonly path: readonly string[];
    }
  | {
      readonly kind: 'fixed';
      readonly requestsPerUnit: number;
      /** As in envoy.type.v3.RateLimitUnit. */
      readonly unit: 'UNKNOWN' | 'SECOND' | 'MINUTE' | 'HOUR' | 'DAY' | 'MONTH' | 'YEAR';
    };

export type RateLimitActionConfig =
  | { readonly kind: 'source_cluster' }
  | { readonly kind: 'destination_cluster' }
  | { readonly kind: 'remote_address' }
  | {
      readonly kind: 'masked_remote_address';
      readonly v4PrefixLength: number;
      readonly v6PrefixLength: number;
    }
  | { readonly kind: 'generic_key'; readonly key: string; readonly value: string }
  | {
      readonly kind: 'request_header' | 'query_parameter';
      /** Lower-case for headers. */
      readonly name: string;
      readonly key: string;
      /** Without it: the entry is left out, not the whole descriptor. */
      readonly skipIfAbsent: boolean;
    }
  | {
      readonly kind: 'header_match';
      readonly key: string;
      readonly value: string;
      readonly expectMatch: boolean;
      readonly headers: readonly HeaderMatchConfig[];
    }
  | {
      readonly kind: 'query_match';
      readonly key: string;
      readonly value: string;
      readonly expectMatch: boolean;
      readonly query: readonly QueryMatchConfig[];
    }
  | {
      readonly kind: 'remote_address_match';
      readonly key: string;
      readonly value: string;
      readonly ranges: readonly CidrConfig[];
      readonly invert: boolean;
    }
  | {
      readonly kind: 'metadata';
      readonly key: string;
      readonly source: 'DYNAMIC' | 'ROUTE_ENTRY';
      readonly namespace: string;
      readonly path: readonly string[];
      /** '' for none. */
      readonly defaultValue: string;
      readonly skipIfAbsent: boolean;
    };
