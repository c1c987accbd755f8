// [b] String, header, query and path matchers as plain data (envoy.type.matcher.v3, envoy.config.route.v3).

/** How a string is tested. Regular expressions are RE2 syntax, full match. */
export type StringMatchConfig =
  | { readonly kind: 'exact'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'prefix'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'suffix'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'contains'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'regex'; readonly pattern: string };

/** `range` is a half-open int64 interval, kept as decimal-safe numbers (validated to be safe integers). */
export type HeaderTestConfig =
  | { readonly kind: 'present'; readonly present: boolean }
  | { readonly kind: 'string'; readonly match: StringMatchConfig }
  | { readonly kind: 'range'; readonly start: number; readonly end: number };

/** One entry of `headers` in a route match, fault filter, retry policy … All entries must hold. */
export interface HeaderMatchConfig {
  /** Lower-case; pseudo headers (`:method`, `:path`, `:authority`, `:scheme`) included. */
  readonly name: string;
  readonly test: HeaderTestConfig;
  readonly invert: boolean;
  readonly treatMissingAsEmpty: boolean;
}

export interface QueryMatchConfig {
  readonly name: string;
  readonly test: Exclude<HeaderTestConfig, { kind: 'range' }>;
}

/** A cookie that is missing matches only inverted. */
export interface CookieMatchConfig {
  readonly name: string;
  readonly match: StringMatchConfig;
  readonly invert: boolean;
}

/** envoy.type.matcher.v3.ValueMatcher */
export type ValueMatchConfig =
  | { readonly kind: 'null' }
  /** `present: false` matches nothing at all, as in Envoy. */
  | { readonly kind: 'present'; readonly present: boolean }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'range'; readonly start: number; readonly end: number }
  | { readonly kind: 'string'; readonly match: StringMatchConfig }
  | { readonly kind: 'any_element'; readonly match: ValueMatchConfig }
  | { readonly kind: 'or'; readonly matches: readonly ValueMatchConfig[] };

/** envoy.type.matcher.v3.MetadataMatcher */
export interface MetadataMatchConfig {
  readonly namespace: string;
  readonly path: readonly string[];
  readonly value: ValueMatchConfig;
  readonly invert: boolean;
}

export interface AddressRangeConfig {
  readonly address: string;
  readonly prefixLength: number;
}

/** envoy.type.matcher.v3.FilterStateMatcher; `ranges`: the object's text is an address within one of them. */
export interface FilterStateMatchConfig {
  readonly key: string;
  readonly test:
    | { readonly kind: 'string'; readonly match: StringMatchConfig }
    | {
        readonly kind: 'address';
        readonly ranges: readonly AddressRangeConfig[];
        readonly invert: boolean;
      };
}

/** `numerator / denominator` of all requests. */
export interface FractionConfig {
  readonly numerator: number;
  readonly denominator: 100 | 10_000 | 1_000_000;
  /** Asked of the runtime first (Runtime.fraction); undefined or absent: there is none. */
  readonly runtimeKey?: string | undefined;
}

/** RE2 pattern and substitution (`\1` groups), replaced globally. */
export interface RegexRewriteConfig {
  readonly pattern: string;
  readonly substitution: string;
}
