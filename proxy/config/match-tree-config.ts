// [b] A tree of header tests that leads to routes (xds.type.matcher.v3.Matcher of a virtual host) as plain data.
import type { StringMatchConfig } from './matcher-config.ts';

/** `test`: undefined where only `onNoMatch` was given. */
export interface MatchTreeConfig {
  readonly test: MatchListConfig | MatchMapConfig | undefined;
  /** Where the test leads nowhere; undefined: no route. */
  readonly onNoMatch: OnMatchConfig | undefined;
}

/** In order; the first that leads somewhere. */
export interface MatchListConfig {
  readonly kind: 'list';
  readonly entries: readonly {
    readonly predicate: MatchPredicateConfig;
    readonly onMatch: OnMatchConfig;
  }[];
}

/** By the value of a request header (several are joined with `,`); of prefixes the longest that leads somewhere. */
export interface MatchMapConfig {
  readonly kind: 'exact' | 'prefix';
  /** Lower-case; pseudo headers included. */
  readonly header: string;
  readonly map: ReadonlyMap<string, OnMatchConfig>;
}

export type MatchPredicateConfig =
  | { readonly kind: 'header'; readonly header: string; readonly match: StringMatchConfig }
  | { readonly kind: 'and' | 'or'; readonly predicates: readonly MatchPredicateConfig[] }
  | { readonly kind: 'not'; readonly predicate: MatchPredicateConfig };

/** `routes`: those of the virtual host from `from`, `count` of them; the first that matches, or none. */
export type OnMatchConfig =
  | { readonly kind: 'tree'; readonly tree: MatchTreeConfig }
  | { readonly kind: 'routes'; readonly from: number; readonly count: number };
