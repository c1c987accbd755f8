// [m] VirtualService matches to Envoy's route matches. Istio: core/route/route.go, TranslateRouteMatch.
import type { HttpMatch, HttpRoute, StringMatch, ValueMatch } from './istio-model.ts';
import { matchesLabels } from './istio-model.ts';
import { byText, nonEmpty } from './json.ts';
import type { JsonObject } from './json.ts';
import type { ProxyView } from './push-context.ts';
import { MESH_GATEWAY } from './routing-reader.ts';

export function stringMatcher(match: StringMatch): JsonObject {
  return match.kind === 'regex'
    ? { safe_regex: { regex: match.value } }
    : { [match.kind]: match.value };
}

function headerMatcher(name: string, match: ValueMatch): JsonObject {
  return match.kind === 'present'
    ? { name, present_match: true }
    : { name, string_match: stringMatcher(match) };
}

/** A header that is missing counts as empty, so that "not this value" holds for requests without it. */
function withoutHeader(name: string, match: ValueMatch): JsonObject {
  if (match.kind === 'present') return { name, present_match: true, invert_match: true };
  return {
    name,
    string_match: stringMatcher(match),
    invert_match: true,
    treat_missing_header_as_empty: true,
  };
}

function headerMatchers(match: HttpMatch): JsonObject[] {
  const named: [string, JsonObject][] = [];
  for (const [name, value] of match.headers) named.push([name, headerMatcher(name, value)]);
  for (const [name, value] of match.withoutHeaders) named.push([name, withoutHeader(name, value)]);
  const matchers = named.sort(([a], [b]) => byText(a, b)).map(([, matcher]) => matcher);
  if (match.method !== undefined) matchers.push(headerMatcher(':method', match.method));
  if (match.authority !== undefined) matchers.push(headerMatcher(':authority', match.authority));
  if (match.scheme !== undefined) matchers.push(headerMatcher(':scheme', match.scheme));
  return matchers;
}

function queryMatchers(match: HttpMatch): JsonObject[] {
  return [...match.queryParams]
    .sort(([a], [b]) => byText(a, b))
    .map(([name, value]) => headerMatcher(name, value));
}

function pathField(uri: StringMatch | undefined): JsonObject {
  if (uri === undefined) return { prefix: '/' };
  switch (uri.kind) {
    case 'exact':
      return { path: uri.value };
    case 'prefix':
      return { prefix: uri.value };
    case 'regex':
      return { safe_regex: { regex: uri.value } };
  }
}

/** `match` undefined: every request. */
export function buildRouteMatch(match: HttpMatch | undefined): JsonObject {
  if (match === undefined) return { prefix: '/' };
  return {
    ...pathField(match.uri),
    case_sensitive: !match.ignoreUriCase,
    headers: nonEmpty(headerMatchers(match)),
    query_parameters: nonEmpty(queryMatchers(match)),
  };
}

/** Nothing after such a match can be reached. */
export function isCatchAll(match: HttpMatch | undefined): boolean {
  if (match === undefined) return true;
  const anyPath =
    match.uri === undefined ||
    (match.uri.kind === 'prefix' && match.uri.value === '/') ||
    (match.uri.kind === 'regex' && match.uri.value === '.*');
  return anyPath && headerMatchers(match).length === 0 && match.queryParams.size === 0;
}

/** The form of the path in the name of a route's span. */
export function pathText(match: HttpMatch | undefined): string {
  const uri = match?.uri;
  if (uri === undefined) return '/*';
  return uri.kind === 'prefix' ? `${uri.value}*` : uri.value;
}

/** Source labels and namespace, gateway and port are decided here: a match for others is not sent at all. */
function concerns(match: HttpMatch, view: ProxyView, port: number): boolean {
  if (match.gateways.length > 0 && !match.gateways.includes(MESH_GATEWAY)) return false;
  if (match.port !== undefined && match.port !== port) return false;
  if (match.sourceNamespace !== undefined && match.sourceNamespace !== view.node.namespace)
    return false;
  return matchesLabels(view.labels, match.sourceLabels);
}

/** The matches of a route that hold for this proxy; undefined stands for "every request". */
export function matchesFor(
  route: HttpRoute,
  view: ProxyView,
  port: number,
): readonly (HttpMatch | undefined)[] {
  return route.matches.length === 0
    ? [undefined]
    : route.matches.filter((match) => concerns(match, view, port));
}
