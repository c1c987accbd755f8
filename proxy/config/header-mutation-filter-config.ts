// [b] Settings of the header_mutation filter as plain data.
import type { HeaderAddConfig, HeaderAppendAction } from './header-mutation-config.ts';
import type { StringMatchConfig } from './matcher-config.ts';

/** Done in order, each on what the one before left. */
export type HeaderOperationConfig =
  /** Lower-case; pseudo headers and `host` may go, too. */
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'remove_on_match'; readonly match: StringMatchConfig }
  | { readonly kind: 'append'; readonly add: HeaderAddConfig };

export type QueryOperationConfig =
  | { readonly kind: 'remove'; readonly name: string }
  | {
      readonly kind: 'append';
      readonly name: string;
      /** Substitution format text. */
      readonly value: string;
      readonly action: HeaderAppendAction;
    };

export interface MutationsConfig {
  readonly request: readonly HeaderOperationConfig[];
  readonly requestTrailers: readonly HeaderOperationConfig[];
  readonly response: readonly HeaderOperationConfig[];
  readonly responseTrailers: readonly HeaderOperationConfig[];
  readonly query: readonly QueryOperationConfig[];
}

/** envoy.extensions.filters.http.header_mutation.v3.HeaderMutation */
export interface HeaderMutationFilterConfig {
  readonly kind: 'header_mutation';
  readonly mutations: MutationsConfig;
  /** Per-route mutations run from the least specific level to the most specific one, instead of the other way round. */
  readonly mostSpecificWins: boolean;
}

/** envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute; all levels of a route count. */
export interface HeaderMutationPerRouteConfig {
  readonly kind: 'header_mutation_per_route';
  readonly mutations: MutationsConfig;
}
