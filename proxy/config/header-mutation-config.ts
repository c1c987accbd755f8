// [b] Headers to add and remove on one level (weighted cluster, route, virtual host, route configuration).

export type HeaderAppendAction =
  | 'APPEND_IF_EXISTS_OR_ADD'
  | 'ADD_IF_ABSENT'
  | 'OVERWRITE_IF_EXISTS_OR_ADD'
  | 'OVERWRITE_IF_EXISTS';

export interface HeaderAddConfig {
  /** Lower-case name. */
  readonly name: string;
  /** Substitution format text, for example `%REQ(x-a)%`. */
  readonly value: string;
  readonly action: HeaderAppendAction;
  readonly keepEmptyValue: boolean;
}

/** Within one level: removals first, then overwrites, then appends (envoy-behaviour §3.5). */
export interface HeaderMutationConfig {
  readonly requestAdd: readonly HeaderAddConfig[];
  readonly requestRemove: readonly string[];
  readonly responseAdd: readonly HeaderAddConfig[];
  readonly responseRemove: readonly string[];
}
