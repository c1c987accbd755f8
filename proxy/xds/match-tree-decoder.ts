// [m] Decodes the `matcher` of a virtual host: a tree of request header tests that ends in routes (xds.type.matcher.v3).
import type { Route } from '../../xds-protos/gen/envoy.config.route.v3.ts';
import type { StringMatcher } from '../../xds-protos/gen/envoy.type.matcher.v3.ts';
import type { TypedExtensionConfig } from '../../xds-protos/gen/xds.core.v3.ts';
import type {
  Matcher,
  Matcher_MatcherList_Predicate,
  Matcher_MatcherList_Predicate_SinglePredicate,
  Matcher_MatcherTree,
  Matcher_MatcherTree_MatchMap,
  Matcher_OnMatch,
} from '../../xds-protos/gen/xds.type.matcher.v3.ts';
import type {
  MatchListConfig,
  MatchMapConfig,
  MatchPredicateConfig,
  MatchTreeConfig,
  OnMatchConfig,
} from '../config/match-tree-config.ts';
import type { RouteEntryConfig } from '../config/route-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeStringMatch } from './matcher-decoder.ts';
import { typedConfigOf } from './typed-config.ts';

const HEADER_INPUT = 'envoy.type.matcher.v3.HttpRequestHeaderMatchInput';
const ROUTE = 'envoy.config.route.v3.Route';
const ROUTE_LIST = 'envoy.config.route.v3.RouteList';
/** Of trees within trees and predicates within predicates: deeper ones are an attack, not a matcher. */
const MAX_DEPTH = 32;

const NOWHERE: OnMatchConfig = { kind: 'routes', from: 0, count: 0 };

/** Decodes one tree; its routes are gathered in `routes`, which the leaves refer to. */
export class MatchTreeDecoder {
  readonly routes: RouteEntryConfig[] = [];
  readonly #decodeRoute: (reader: FieldReader<Route>) => RouteEntryConfig;

  constructor(decodeRoute: (reader: FieldReader<Route>) => RouteEntryConfig) {
    this.#decodeRoute = decodeRoute;
  }

  decode(reader: FieldReader<Matcher>, depth = 0): MatchTreeConfig {
    if (depth > MAX_DEPTH) {
      reader.problem('', `is nested deeper than ${MAX_DEPTH}`);
      return { test: undefined, onNoMatch: undefined };
    }
    const list = reader.child('matcher_list');
    const tree = reader.child('matcher_tree');
    const none = reader.child('on_no_match');
    let test: MatchTreeConfig['test'];
    if (list !== undefined) test = this.#list(list.children('matchers'), list, depth);
    else if (tree !== undefined) test = this.#tree(tree, depth);
    return { test, onNoMatch: none && this.#onMatch(none, depth) };
  }

  #list(
    readers: readonly FieldReader<{
      readonly predicate?: Matcher_MatcherList_Predicate | undefined;
      readonly on_match?: Matcher_OnMatch | undefined;
    }>[],
    list: FieldReader<object>,
    depth: number,
  ): MatchListConfig {
    if (readers.length === 0) list.problems.add(list.path, 'at least one matcher is required');
    return {
      kind: 'list',
      entries: readers.map((reader) => {
        const predicate = reader.required('predicate');
        const onMatch = reader.required('on_match');
        return {
          predicate:
            predicate === undefined
              ? { kind: 'or', predicates: [] }
              : decodePredicate(predicate, depth),
          onMatch: onMatch === undefined ? NOWHERE : this.#onMatch(onMatch, depth),
        };
      }),
    };
  }

  #tree(reader: FieldReader<Matcher_MatcherTree>, depth: number): MatchMapConfig {
    const input = reader.required('input');
    const header = input === undefined ? '' : decodeHeaderInput(input);
    const exact = reader.child('exact_match_map');
    const prefix = reader.child('prefix_match_map');
    reader.refuse('custom_match');
    if (exact === undefined && prefix === undefined && !reader.has('custom_match'))
      reader.problem('', 'one of exact_match_map, prefix_match_map is required');
    const map = exact ?? prefix;
    return {
      kind: exact === undefined ? 'prefix' : 'exact',
      header,
      map: map === undefined ? new Map() : this.#map(map, depth),
    };
  }

  #map(
    reader: FieldReader<Matcher_MatcherTree_MatchMap>,
    depth: number,
  ): ReadonlyMap<string, OnMatchConfig> {
    const entries = reader.entries('map');
    if (entries.length === 0) reader.problem('map', 'at least one entry is required');
    return new Map(entries.map(([key, onMatch]) => [key, this.#onMatch(onMatch, depth)]));
  }

  #onMatch(reader: FieldReader<Matcher_OnMatch>, depth: number): OnMatchConfig {
    reader.refuse('keep_matching', 'keep_matching is not supported in this context');
    const matcher = reader.child('matcher');
    if (matcher !== undefined) return { kind: 'tree', tree: this.decode(matcher, depth + 1) };
    const action = reader.child('action');
    if (action !== undefined) return this.#action(action);
    reader.problem('', 'one of matcher, action is required');
    return NOWHERE;
  }

  #action(reader: FieldReader<TypedExtensionConfig>): OnMatchConfig {
    const config = typedConfigOf(reader);
    if (config === undefined) return NOWHERE;
    const from = this.routes.length;
    if (config.typeName === ROUTE) {
      const route = config.as(ROUTE);
      if (route !== undefined) this.routes.push(this.#decodeRoute(route));
    } else if (config.typeName === ROUTE_LIST) {
      const routes = config.as(ROUTE_LIST)?.children('routes') ?? [];
      for (const route of routes) this.routes.push(this.#decodeRoute(route));
    } else config.unknown(reader.string('name'));
    return { kind: 'routes', from, count: this.routes.length - from };
  }
}

function decodePredicate(
  reader: FieldReader<Matcher_MatcherList_Predicate>,
  depth: number,
): MatchPredicateConfig {
  const none: MatchPredicateConfig = { kind: 'or', predicates: [] };
  if (depth > MAX_DEPTH) {
    reader.problem('', `is nested deeper than ${MAX_DEPTH}`);
    return none;
  }
  const single = reader.child('single_predicate');
  if (single !== undefined) return decodeSingle(single);
  const not = reader.child('not_matcher');
  if (not !== undefined) return { kind: 'not', predicate: decodePredicate(not, depth + 1) };
  for (const kind of ['and', 'or'] as const) {
    const list = reader.child(`${kind}_matcher`);
    if (list === undefined) continue;
    const predicates = list.children('predicate');
    if (predicates.length < 2) list.problem('predicate', 'at least two are required');
    return { kind, predicates: predicates.map((each) => decodePredicate(each, depth + 1)) };
  }
  reader.problem('', 'one of single_predicate, or_matcher, and_matcher, not_matcher is required');
  return none;
}

function decodeSingle(
  reader: FieldReader<Matcher_MatcherList_Predicate_SinglePredicate>,
): MatchPredicateConfig {
  const input = reader.required('input');
  const header = input === undefined ? '' : decodeHeaderInput(input);
  reader.refuse('custom_match');
  const value = reader.child('value_match');
  // The two packages have the same message.
  if (value !== undefined)
    return {
      kind: 'header',
      header,
      match: decodeStringMatch(value as FieldReader<StringMatcher>),
    };
  if (!reader.has('custom_match')) reader.problem('value_match', 'is required');
  return { kind: 'or', predicates: [] };
}

/** Lower-case name of the request header that is looked at. */
function decodeHeaderInput(reader: FieldReader<TypedExtensionConfig>): string {
  const config = typedConfigOf(reader);
  if (config === undefined) return '';
  if (config.typeName === HEADER_INPUT)
    return config.as(HEADER_INPUT)?.string('header_name').toLowerCase() ?? '';
  config.problem(`Route table can only match on request headers, saw ${config.typeUrl}`);
  return '';
}
