// [w] What the header section says of a message's framing and of the connection (RFC 9112 §6.3, §9.3;
// envoy-behaviour §2.1). Runs on every head before anybody else sees it.
import { CodecErrors } from '../codec-error.ts';
import type { CodecError } from '../codec-error.ts';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../header-map.ts';
import { H, wireHeaderName } from '../headers.ts';

/** Body length in bytes, or one of these. */
export const CHUNKED = -1;
export const UNTIL_CLOSE = -2;

export interface Framing {
  /** ≥ 0, CHUNKED or UNTIL_CLOSE. */
  length: number;
  error: CodecError | null;
}

/** Digits only, below 2^53; -1 for anything else (attack 4, 6). */
export function parseContentLength(text: string): number {
  if (text.length === 0) return -1;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
    if (value > Number.MAX_SAFE_INTEGER) return -1;
  }
  return value;
}

export const isChunked = (value: string): boolean =>
  value === 'chunked' || (value.length === 7 && value.toLowerCase() === 'chunked');

/** Fills `out`; the request's body length, 0 when neither field is there. */
export function requestFraming(
  headers: RequestHeaders,
  allowChunkedLength: boolean,
  out: Framing,
): void {
  out.length = 0;
  out.error = null;
  const transferEncoding = headers.get(H.transferEncoding);
  const contentLength = headers.get(H.contentLength);
  if (transferEncoding !== undefined) {
    const chunked = isChunked(transferEncoding) && headers.method !== 'CONNECT';
    if (contentLength !== undefined && !(chunked && allowChunkedLength))
      out.error = CodecErrors.lengthAndChunked;
    else if (!chunked) out.error = CodecErrors.invalidTransferEncoding;
    else {
      headers.remove(H.contentLength);
      out.length = CHUNKED;
    }
    return;
  }
  if (contentLength === undefined) return;
  out.length = parseContentLength(contentLength);
  if (out.length < 0) {
    out.length = 0;
    out.error = CodecErrors.malformed;
  } else if (headers.method === 'CONNECT') {
    if (out.length > 0) out.error = CodecErrors.bodyDisallowed;
    else headers.remove(H.contentLength);
  } else if (isNominated(headers, 'content-length')) headers.remove(H.contentLength);
}

/** The framing was read from the field already; behind us the body is chunked. */
function isNominated(headers: RequestHeaders, name: string): boolean {
  const connection = headers.get(H.connection);
  return connection !== undefined && hasToken(connection, name);
}

/** Where a cluster allows both: chunked it is, and the length goes. */
export function preferChunked(headers: ResponseHeaders): void {
  const transferEncoding = headers.get(H.transferEncoding);
  if (transferEncoding !== undefined && isChunked(transferEncoding))
    headers.remove(H.contentLength);
}

/** RFC 9112 §6.3 for responses; `toHead`: the request was a HEAD. */
export function responseFraming(headers: ResponseHeaders, toHead: boolean, out: Framing): void {
  out.length = 0;
  out.error = null;
  const transferEncoding = headers.get(H.transferEncoding);
  const contentLength = headers.get(H.contentLength);
  const status = headers.status;
  const bodiless = status < 200 || status === 204 || status === 304;
  if (
    transferEncoding !== undefined &&
    (contentLength !== undefined || !isChunked(transferEncoding))
  ) {
    // Never guess which one the next hop would believe (attack 30).
    out.error = CodecErrors.malformed;
    return;
  }
  const length = contentLength === undefined ? UNTIL_CLOSE : parseContentLength(contentLength);
  if (length === -1) {
    out.error = CodecErrors.malformed;
    return;
  }
  if (bodiless || toHead) {
    if (status < 200 || status === 204) {
      if (transferEncoding !== undefined || length > 0) out.error = CodecErrors.malformed;
      else headers.remove(H.contentLength);
    }
    return;
  }
  out.length = transferEncoding === undefined ? length : CHUNKED;
}

const MAX_CONNECTION_TOKENS = 10;
const NEVER_NOMINATED = new Set(['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto']);

/** Names that a Connection header may carry without naming a field. */
const CONNECTION_OPTIONS = new Set(['close', 'keep-alive', 'upgrade', 'http2-settings', '']);

/** True when the list has the token; SP and HTAB around tokens, any case. */
export function hasToken(list: string, token: string): boolean {
  if (list.length === token.length) return list === token || list.toLowerCase() === token;
  let start = 0;
  while (start <= list.length) {
    let end = list.indexOf(',', start);
    if (end < 0) end = list.length;
    if (trimmed(list, start, end).toLowerCase() === token) return true;
    start = end + 1;
  }
  return false;
}

/** Removes SP and HTAB only; String.trim() would take bytes that are no white space on the wire (attack 16). */
export function trimmed(text: string, start: number, end: number): string {
  let from = start;
  let to = end;
  while (from < to && (text.charCodeAt(from) === 0x20 || text.charCodeAt(from) === 0x09)) from++;
  while (to > from && (text.charCodeAt(to - 1) === 0x20 || text.charCodeAt(to - 1) === 0x09)) to--;
  return text.substring(from, to);
}

/** Removes fields nominated by `Connection`, within the deny list (attack 25). */
export function removeNominated(headers: RequestHeaders, connection: string): CodecError | null {
  let count = 0;
  let start = 0;
  while (start <= connection.length) {
    let end = connection.indexOf(',', start);
    if (end < 0) end = connection.length;
    const token = trimmed(connection, start, end).toLowerCase();
    start = end + 1;
    if (++count >= MAX_CONNECTION_TOKENS || token.startsWith(':') || NEVER_NOMINATED.has(token)) {
      return CodecErrors.connectionHeaderRejected;
    }
    if (CONNECTION_OPTIONS.has(token)) continue;
    // Framing is read later; `requestFraming` removes a nominated length then.
    if (token === 'content-length' || token === 'transfer-encoding') continue;
    if (token === 'te') {
      const te = headers.get(H.te);
      if (te !== undefined && te.length > 256) return CodecErrors.connectionHeaderRejected;
      if (te !== undefined && hasToken(te, 'trailers')) continue;
    }
    if (token === 'host') headers.authority = undefined;
    headers.remove(wireHeaderName(token));
  }
  return null;
}

const NEVER_TRAILERS = [
  H.contentLength,
  H.transferEncoding,
  H.host,
  H.connection,
  H.upgrade,
  H.te,
] as const;

/** Attack 20: framing and routing fields mean nothing behind a body, but the next hop may merge them into the head. */
export function withoutFraming(trailers: HeaderMap): HeaderMap {
  for (const name of NEVER_TRAILERS) trailers.remove(name);
  return trailers;
}
