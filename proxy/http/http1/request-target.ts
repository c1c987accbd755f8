// [w] Request targets (RFC 9112 §3.2): origin form stays, absolute form gives scheme and authority, CONNECT's is the
// authority, `*` of OPTIONS is passed on for the connection manager to refuse.
import { CodecErrors } from '../codec-error.ts';
import type { CodecError } from '../codec-error.ts';
import type { RequestHeaders } from '../header-map.ts';
import { parseContentLength } from './framing.ts';
import { hasAuthorityBytes, isAuthority } from './tokens.ts';

/** Splits the target of `headers` in place; null when it is fine. */
export function applyTarget(headers: RequestHeaders, allowAbsoluteUrl: boolean): CodecError | null {
  const target = headers.path;
  if (headers.method === 'CONNECT') {
    headers.authority = target;
    headers.path = '';
    return connectTargetError(target);
  }
  const first = target.charCodeAt(0);
  if (first !== 0x2f && !(target === '*' && headers.method === 'OPTIONS')) {
    const error = applyAbsolute(headers, target, allowAbsoluteUrl);
    if (error !== null) return error;
  }
  if (headers.authority !== undefined && !isAuthority(headers.authority))
    return CodecErrors.invalidAuthority;
  return null;
}

/** `host:port`, RFC 9110 §9.3.6. */
function connectTargetError(target: string): CodecError | null {
  if (target.includes('/')) return CodecErrors.invalidUrl;
  if (target === '' || !hasAuthorityBytes(target)) return CodecErrors.malformed;
  const named = target.indexOf(':', target.indexOf(']') + 1) > 0;
  return named && !target.includes('@') && hasValidPort(target) ? null : CodecErrors.invalidUrl;
}

/** Some form of a target, whatever is wrong with it inside: asked where the version is wrong as well. */
export function isTarget({ method, path }: RequestHeaders): boolean {
  return method === 'CONNECT' || path === '*' || path.startsWith('/') || path.includes('://');
}

function applyAbsolute(headers: RequestHeaders, target: string, allow: boolean): CodecError | null {
  if (target === '*') return CodecErrors.invalidUrl;
  const colon = target.indexOf('://');
  if (colon <= 0 || !isScheme(target, colon)) return CodecErrors.malformed;
  const start = colon + 3;
  let end = start;
  while (end < target.length && !isPathStart(target.charCodeAt(end))) end++;
  const authority = target.slice(start, end);
  if (!hasAuthorityBytes(authority) || authority.includes('@@')) return CodecErrors.malformed;
  if (!allow) return null;
  const scheme = target.slice(0, colon).toLowerCase();
  if (scheme !== 'http' && scheme !== 'https') return CodecErrors.invalidScheme;
  const host = authority.slice(authority.indexOf('@') + 1);
  if (host === '' || host.includes('@') || !hasValidPort(host)) return CodecErrors.invalidUrl;
  const rest = target.slice(end);
  headers.authority = host;
  headers.scheme = scheme;
  headers.path = rest === '' ? '/' : rest;
  return null;
}

/** Authority of an absolute URL, without user information; undefined where the text is no such URL. */
export function urlAuthority(text: string): string | undefined {
  const colon = text.indexOf('://');
  if (colon <= 0 || !isScheme(text, colon)) return undefined;
  const start = colon + 3;
  let end = start;
  while (end < text.length && !isPathStart(text.charCodeAt(end))) end++;
  const authority = text.slice(start, end);
  const host = authority.slice(authority.indexOf('@') + 1);
  if (host === '' || host.includes('@')) return undefined;
  return hasAuthorityBytes(authority) && hasValidPort(host) ? host : undefined;
}

/** None, or a number; nothing else behind an IPv6 literal. */
function hasValidPort(host: string): boolean {
  const end = host.indexOf(']') + 1;
  const colon = host.indexOf(':', end);
  if (end > 0 && end < host.length && colon !== end) return false;
  if (colon < 0) return !host.startsWith('[') || end > 0;
  const port = parseContentLength(host.slice(colon + 1));
  return port >= 0 && port <= 65_535;
}

const isPathStart = (code: number): boolean => code === 0x2f || code === 0x3f;

function isScheme(text: string, end: number): boolean {
  for (let i = 0; i < end; i++) {
    const code = text.charCodeAt(i) | 0x20;
    const letter = code >= 0x61 && code <= 0x7a;
    const other =
      i > 0 &&
      ((code >= 0x30 && code <= 0x39) || text[i] === '+' || text[i] === '-' || text[i] === '.');
    if (!letter && !other) return false;
  }
  return true;
}
