// [w] The target of a redirect, read out of `location` (RFC 3986 §3): absolute references only.

export interface RedirectTarget {
  readonly scheme: 'http' | 'https' | 'other';
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
  if (!/^[a-z][a-z0-9+.-]*$/.test(scheme)) return null;
  const start = schemeEnd + SCHEME_END.length;
  let end = start;
  while (end < location.length && !'/?#'.includes(location[end]!)) end++;
  // Who is meant by a name and password is not told on.
  const userEnd = location.lastIndexOf('@', end - 1);
  const authority = location.slice(userEnd < start ? start : userEnd + 1, end);
  if (!isAuthority(authority)) return null;
  const fragment = location.indexOf('#', end);
  const path = location.slice(end, fragment < 0 ? location.length : fragment);
  for (let i = 0; i < path.length; i++) if (path.charCodeAt(i) <= 0x20) return null;
  return {
    scheme: scheme === 'http' || scheme === 'https' ? scheme : 'other',
    authority,
    path: path === '' ? '/' : path,
  };
}

/** A name or address and perhaps a port. */
function isAuthority(text: string): boolean {
  const port = /^(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?$/.exec(text);
  return port !== null && Number(port[1] ?? 0) <= 65_535;
}
