// [b] Scoped routes: values in the headers of a request choose which route table it goes by (SRDS).
import type { RouteConfig } from './route-config.ts';
import type { SourceRef, SubscriptionRef } from './config-source.ts';

export interface ScopedRoutesConfig {
  readonly kind: 'scoped';
  readonly name: string;
  /** Together they make the key of a request. */
  readonly fragments: readonly ScopeFragmentConfig[];
  /** Where the tables come from. */
  readonly tables: SourceRef;
  /** Where scopes come from; undefined: those that are listed are all. */
  readonly discovery: SourceRef | undefined;
  readonly scopes: readonly ScopeConfig[];
}

/** A part of the first value of a header. */
export interface ScopeFragmentConfig {
  /** Lower case. */
  readonly header: string;
  /** Between the elements of the value; '' : it is one. */
  readonly separator: string;
  readonly element:
    | { readonly kind: 'index'; readonly index: number }
    /** What stands behind `key` and the separator. */
    | { readonly kind: 'key'; readonly key: string; readonly separator: string };
}

export interface ScopeConfig {
  readonly name: string;
  readonly key: readonly string[];
  /** Name of a route table that is discovered; '' : it stands here. */
  readonly table: string;
  readonly inline?: RouteConfig | undefined;
}

export const scopeTables = ({ scopes, tables }: ScopedRoutesConfig): readonly SubscriptionRef[] =>
  scopes.flatMap(({ table }) => (table === '' ? [] : [{ name: table, ...tables }]));

/** No header can hold what is between the parts. */
export const scopeKey = (parts: readonly string[]): string => parts.join('\0');

/** Of two that one request could mean. */
export const keyConflict = (first: string, second: string): string =>
  `scope key conflict found, first scope is '${first}', second scope is '${second}'`;
