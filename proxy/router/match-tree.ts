// [w] MatchTree: header tests that lead to the routes a request may take (xds.type.matcher.v3.Matcher, compiled). What leads
// nowhere is as if it had not matched: the next entry, a shorter prefix, then `on_no_match`.
import type {
  MatchPredicateConfig,
  MatchTreeConfig,
  OnMatchConfig,
} from '../config/match-tree-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { headerName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import { StringMatcher } from './string-matcher.ts';
import { wireText } from './wire-text.ts';

/** Places in the list of the virtual host's routes. */
export interface RouteRange {
  readonly from: number;
  readonly count: number;
}

type Find = (headers: RequestHeaders) => RouteRange | undefined;
type Predicate = (headers: RequestHeaders) => boolean;

export class MatchTree {
  readonly #find: Find;

  /** Throws ConfigError with `place` for a bad regex. */
  constructor(config: MatchTreeConfig, place: string) {
    this.#find = compileTree(config, place);
  }

  /** Undefined: no route. */
  find(headers: RequestHeaders): RouteRange | undefined {
    return this.#find(headers);
  }
}

function compileTree({ test, onNoMatch }: MatchTreeConfig, place: string): Find {
  const otherwise: Find =
    onNoMatch === undefined ? () => undefined : compileOnMatch(onNoMatch, place);
  if (test === undefined) return otherwise;
  if (test.kind === 'list') {
    const entries = test.entries.map(({ predicate, onMatch }, i) => ({
      holds: compilePredicate(predicate, `${place}.matcher_list.matchers[${i}]`),
      find: compileOnMatch(onMatch, place),
    }));
    return (headers) => {
      for (const { holds, find } of entries) {
        const found = holds(headers) ? find(headers) : undefined;
        if (found !== undefined) return found;
      }
      return otherwise(headers);
    };
  }
  const name = headerName(test.header);
  const map = new Map<string, Find>();
  for (const [key, onMatch] of test.map) map.set(wireText(key), compileOnMatch(onMatch, place));
  const lookUp = test.kind === 'exact' ? exactLookup(map) : prefixLookup(map);
  return (headers) => {
    const value = joinedValue(headers, name);
    return (value === undefined ? undefined : lookUp(value, headers)) ?? otherwise(headers);
  };
}

type LookUp = (value: string, headers: RequestHeaders) => RouteRange | undefined;

const exactLookup =
  (map: ReadonlyMap<string, Find>): LookUp =>
  (value, headers) =>
    map.get(value)?.(headers);

function prefixLookup(map: ReadonlyMap<string, Find>): LookUp {
  const lengths = [...new Set([...map.keys()].map((key) => key.length))].sort((a, b) => b - a);
  return (value, headers) => {
    for (const length of lengths) {
      if (length > value.length) continue;
      const found = map.get(value.slice(0, length))?.(headers);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

const compileOnMatch = (config: OnMatchConfig, place: string): Find =>
  config.kind === 'tree' ? compileTree(config.tree, place) : () => config;

function compilePredicate(config: MatchPredicateConfig, place: string): Predicate {
  switch (config.kind) {
    case 'header': {
      const name = headerName(config.header);
      const matcher = new StringMatcher(config.match, place);
      return (headers) => {
        const value = joinedValue(headers, name);
        return value !== undefined && matcher.matches(value);
      };
    }
    case 'not': {
      const inner = compilePredicate(config.predicate, place);
      return (headers) => !inner(headers);
    }
    case 'and':
    case 'or': {
      const inner = config.predicates.map((predicate) => compilePredicate(predicate, place));
      return config.kind === 'and'
        ? (headers): boolean => inner.every((holds) => holds(headers))
        : (headers): boolean => inner.some((holds) => holds(headers));
    }
  }
}

function joinedValue(headers: RequestHeaders, name: HeaderName): string | undefined {
  const first = headers.getAny(name);
  if (first === undefined || name.text.startsWith(':')) return first;
  const values = headers.getAll(name);
  return values.length < 2 ? first : values.join(',');
}
