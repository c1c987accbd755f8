// [w] The target of a redirect, read out of `location` (RFC 3986 §3): absolute http and https references only.

export interface RedirectTarget {
  readonly https: boolean;
  /** Host and port, as given. */
  readonly authority: string;
  /** With the query, without the fragment. */
  readonly path: string;
}

const SCHEME_END = '://';

/** Null: not a target a request can be sent to. */
export function redirectTarget(location: string): RedirectTarget | null {
  const schemeEnd = location.indexOf(SCHEME_END);
  if (schemeEnd < 0) return null;
  const scheme = location.slice(0, schemeEnd).toLowerCase();
  if (scheme !== 'http' && scheme !== 'https') return null;
  const start = schemeEnd + SCHEME_END.length;
  let end = start;
  while (end < location.length && !'/?#'.includes(location[end]!)) end++;
  const authority = location.slice(start, end);
  if (!isAuthority(authority)) return null;
  const fragment = location.indexOf('#', end);
  const path = location.slice(end, fragment < 0 ? location.length : fragment);
  for (let i = 0; i < path.length; i++) if (path.charCodeAt(i) <= 0x20) return null;
  return { https: scheme === 'https', authority, path: path === '' ? '/' : path };
}

/** A name or address and perhaps a port; no user. */
const isAuthority = (text: string): boolean =>
  /^(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(text);
