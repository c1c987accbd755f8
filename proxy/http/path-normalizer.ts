// [w] Path normalisation (envoy-behaviour §1.5): fragment, escaped slashes, dot segments and escapes as Chromium's
// canonicaliser does them, merged slashes. A path that needs nothing is only looked at.

export type EscapedSlashesAction =
  | 'KEEP_UNCHANGED'
  | 'REJECT_REQUEST'
  | 'UNESCAPE_AND_REDIRECT'
  | 'UNESCAPE_AND_FORWARD';

export interface PathNormalization {
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly pathWithEscapedSlashesAction: EscapedSlashesAction;
}

/** The new path with its query, as logs tell it, too; `reject` for 400; `redirect` for 307 to `path`. */
export type NormalizedPath =
  | { readonly kind: 'ok'; readonly path: string }
  | { readonly kind: 'redirect'; readonly path: string }
  | { readonly kind: 'reject'; readonly path: string };

/** Bytes the canonicaliser has an opinion on: % \ . and everything it would escape. */
const INTERESTING: Uint8Array = (() => {
  const set = new Uint8Array(256).fill(1, 0x7f);
  for (let code = 0; code <= 0x20; code++) set[code] = 1;
  for (const character of '"#<>`{}|^%\\.') set[character.charCodeAt(0)] = 1;
  return set;
})();

/** Null: the path is fine as it is. */
export function normalizePath(path: string, options: PathNormalization): NormalizedPath | null {
  if (!needsWork(path, options.mergeSlashes)) return null;
  if (path.includes('#')) return { kind: 'reject', path };
  const question = path.indexOf('?');
  const query = question < 0 ? '' : path.slice(question);
  let plain = question < 0 ? path : path.slice(0, question);
  const action = options.pathWithEscapedSlashesAction;
  let redirect = false;
  if (action !== 'KEEP_UNCHANGED' && hasEscapedSlash(plain)) {
    plain = unescapeSlashes(plain);
    if (action === 'REJECT_REQUEST') return { kind: 'reject', path: plain + query };
    redirect = action === 'UNESCAPE_AND_REDIRECT';
  }
  if (options.normalizePath) {
    const canonical = canonicalPath(plain);
    if (canonical === null) return { kind: 'reject', path: plain + query };
    plain = canonical;
  }
  if (options.mergeSlashes) plain = mergeSlashes(plain);
  return { kind: redirect ? 'redirect' : 'ok', path: plain + query };
}

function needsWork(path: string, mergeSlashesToo: boolean): boolean {
  let previous = 0;
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code === 0x3f) return path.includes('#', i);
    if (INTERESTING[code & 0xff] === 1) {
      // A dot matters at the start of a segment only.
      if (code !== 0x2e || previous === 0x2f) return true;
    }
    if (mergeSlashesToo && code === 0x2f && previous === 0x2f) return true;
    previous = code;
  }
  return false;
}

const hasEscapedSlash = (path: string): boolean =>
  path.includes('%2f') || path.includes('%2F') || path.includes('%5c') || path.includes('%5C');

const unescapeSlashes = (path: string): string =>
  path
    .replaceAll('%2f', '/')
    .replaceAll('%2F', '/')
    .replaceAll('%5c', '\\')
    .replaceAll('%5C', '\\');

export function mergeSlashes(path: string): string {
  if (!path.includes('//')) return path;
  // Envoy puts a leading and a trailing slash around nothing.
  if (isOnlySlashes(path)) return '//';
  let merged = '';
  for (let i = 0; i < path.length; i++) {
    if (path[i] === '/' && merged.endsWith('/')) continue;
    merged += path[i];
  }
  return merged;
}

function isOnlySlashes(path: string): boolean {
  for (let i = 0; i < path.length; i++) if (path.charCodeAt(i) !== 0x2f) return false;
  return true;
}

/** Null: the path holds an escaped NUL. */
function canonicalPath(path: string): string | null {
  const escaped = canonicalEscapes(path.includes('.;') ? cutDotParameters(path) : path);
  return escaped === null ? null : removeDotSegments(escaped);
}

function canonicalEscapes(path: string): string | null {
  let out = '';
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code === 0x5c) out += '/';
    else if (code === 0x25) {
      const decoded = hexPair(path, i + 1);
      if (decoded === 0) return null;
      if (decoded > 0 && isUnreserved(decoded)) {
        out += String.fromCharCode(decoded);
        i += 2;
      } else out += '%';
    } else if (INTERESTING[code & 0xff] === 1 && code !== 0x2e) {
      out += `%${(code & 0xff).toString(16).toUpperCase().padStart(2, '0')}`;
    } else out += path[i];
  }
  return out;
}

/** -1 when the two characters are no hex digits. */
function hexPair(text: string, at: number): number {
  const high = hexDigit(text.charCodeAt(at));
  const low = hexDigit(text.charCodeAt(at + 1));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

const isUnreserved = (code: number): boolean =>
  (code >= 0x30 && code <= 0x39) ||
  (code >= 0x41 && code <= 0x5a) ||
  (code >= 0x61 && code <= 0x7a) ||
  code === 0x2d ||
  code === 0x2e ||
  code === 0x5f ||
  code === 0x7e;

/** `/a/..;x/b` is `/a/../b`, before any escape is looked at (tomcat's reading of a path with parameters). */
const cutDotParameters = (path: string): string =>
  path
    .split('/')
    .map((segment) =>
      segment.startsWith('.;') || segment.startsWith('..;')
        ? segment.slice(0, segment.indexOf(';'))
        : segment,
    )
    .join('/');

function removeDotSegments(path: string): string {
  const segments = path.split('/');
  const kept: string[] = [];
  const last = segments.length - 1;
  for (let i = 1; i <= last; i++) {
    const segment = segments[i]!;
    if (segment === '.') {
      if (i === last) kept.push('');
    } else if (segment === '..') {
      kept.pop();
      if (i === last) kept.push('');
    } else kept.push(segment);
  }
  return `/${kept.join('/')}`;
}
