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

/** `numerator / denominator` of all requests. */
export interface FractionConfig {
  readonly numerator: number;
  readonly denominator: 100 | 10_000 | 1_000_000;
}

/** RE2 pattern and substitution (`\1` groups), replaced globally. */
export interface RegexRewriteConfig {
  readonly pattern: string;
  readonly substitution: string;
}
