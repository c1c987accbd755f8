// [w] What the answer of an authorization server changes in a request and its response.
import type { HeaderName } from '../../http/headers.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../../http/header-map.ts';
import type { Allowance, HeaderLine, MoreChanges } from './authorization-client.ts';
import type { HeaderMutationRules } from './header-mutation-rules.ts';
import { Query, percentEncoded } from './query-mutations.ts';

type May = (name: HeaderName) => boolean;

/** False, and nothing is changed: it was to be changed in a way that is an error. `rules` null: all may be changed. */
export function changeRequest(
  headers: RequestHeaders,
  verdict: Allowance,
  rules: HeaderMutationRules | null,
): boolean {
  const may: May = (name) => rules === null || rules.allows(name.text);
  const { set, append, remove, more } = verdict;
  const lines = [...set, ...append, ...(more?.join ?? [])];
  const names = [...lines.map(([name]) => name), ...remove];
  if (rules !== null && rules.disallowIsError && !names.every(may)) return false;
  for (const [name, value] of set) if (may(name)) setLine(headers, name, value);
  for (const [name, value] of append) if (may(name)) headers.append(name, value);
  if (more !== null) joinLines(headers, more, may);
  // Without them a request would be none; `host` is no line of the map either.
  for (const name of remove) if (may(name) && !name.text.startsWith(':')) headers.remove(name);
  if (more !== null) changeQuery(headers, more);
  return true;
}

function joinLines(headers: RequestHeaders, { join }: MoreChanges, may: May): void {
  for (const [name, value] of join)
    if (may(name) && headers.has(name)) headers.extend(name, `,${value}`);
}

/** What is appended counts only where no headers are named, as in Envoy. */
export function mayChangeRoute(verdict: Allowance, names: readonly string[]): boolean {
  const { set, append, remove, more } = verdict;
  if (names.length === 0) {
    const others =
      more === null ? 0 : more.join.length + more.querySet.length + more.queryRemove.length;
    return set.length + append.length + remove.length + others > 0;
  }
  return (
    set.some(([name]) => names.includes(name.text)) ||
    remove.some((name) => names.includes(name.text))
  );
}

function changeQuery(headers: RequestHeaders, { querySet, queryRemove }: MoreChanges): void {
  if (querySet.length + queryRemove.length === 0) return;
  const query = new Query(headers.path);
  for (const [name, value] of querySet) {
    query.remove(name);
    query.add(name, `${percentEncoded(name)}=${percentEncoded(value)}`);
  }
  for (const name of queryRemove) query.remove(name);
  headers.path = query.path();
}

export function changeResponse(headers: ResponseHeaders, more: MoreChanges): void {
  for (const [name, value] of more.responseSet) replaceLine(headers, name, value);
  for (const [name, value] of more.responseIfAbsent) headers.setIfAbsent(name, value);
  for (const [name, value] of more.responseIfPresent)
    if (headers.has(name)) replaceLine(headers, name, value);
}

/** The new line stands at the end, as in Envoy. */
function replaceLine(headers: HeaderMap, name: HeaderName, value: string): void {
  headers.remove(name);
  headers.push(name, value);
}

function setLine(headers: RequestHeaders, name: HeaderLine[0], value: string): void {
  if (name.text === 'host') headers.authority = value;
  else {
    headers.remove(name);
    headers.append(name, value);
  }
}
