// [b] What a server that is asked may change in a message, as plain data.

/** envoy.config.common.mutation_rules.v3.HeaderMutationRules */
export interface HeaderMutationRulesConfig {
  /** `host`, `:authority`, `:scheme`, `:method`. */
  readonly allowRouting: boolean;
  /** `x-envoy-…`. */
  readonly allowEnvoy: boolean;
  readonly disallowSystem: boolean;
  readonly disallowAll: boolean;
  /** RE2 patterns, matched whole; '' for none. */
  readonly allowPattern: string;
  readonly disallowPattern: string;
  /** What is not allowed ends the request with 500; else it is left out. */
  readonly disallowIsError: boolean;
}
