// [w] Start line, fields, choice of framing (RFC 9112 §2–§7). Heads are built as one latin1 string.
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '../header-map.ts';
import { H } from '../headers.ts';
import { statusLine } from '../status-text.ts';

/** How the body is delimited on the wire. */
export const BodyFraming = { None: 0, Length: 1, Chunked: 2, UntilClose: 3 } as const;
export type BodyFraming = (typeof BodyFraming)[keyof typeof BodyFraming];

/** Each line begins with the CRLF that ends the one before: one string less a line to make. */
function fields(headers: HeaderMap): string {
  let text = '';
  const count = headers.size;
  for (let i = 0; i < count; i++) text += headers.nameAt(i).linePrefix + headers.valueAt(i);
  return text;
}

const METHODS_WITHOUT_BODY = new Set(['GET', 'HEAD', 'DELETE', 'TRACE', 'CONNECT']);

/** Whether a request's body needs a framing field that the map has not (envoy-behaviour §2.1). */
export function requestFramingOut(
  headers: RequestHeaders,
  endStream: boolean,
  upgrade: boolean,
): BodyFraming {
  if (headers.has(H.contentLength)) return BodyFraming.Length;
  if (endStream || upgrade) return BodyFraming.None;
  return BodyFraming.Chunked;
}

export function requestHead(
  headers: RequestHeaders,
  framing: BodyFraming,
  endStream: boolean,
): string {
  const authority = headers.authority;
  const target = headers.method === 'CONNECT' ? (authority ?? '') : headers.path;
  let text = `${headers.method} ${target} HTTP/1.1`;
  if (authority !== undefined) text += `\r\nhost: ${authority}`;
  text += fields(headers);
  if (framing === BodyFraming.Chunked) text += '\r\ntransfer-encoding: chunked';
  else if (framing === BodyFraming.None && endStream && !METHODS_WITHOUT_BODY.has(headers.method))
    text += '\r\ncontent-length: 0';
  return `${text}\r\n\r\n`;
}

/** A head from requestHead() with its target in absolute form. */
export function fullyQualified(text: string, headers: RequestHeaders): string {
  const { method, scheme, authority } = headers;
  if (method === 'CONNECT' || authority === undefined) return text;
  const at = method.length + 1;
  return `${text.slice(0, at)}${scheme === '' ? 'http' : scheme}://${authority}${text.slice(at)}`;
}

/** `http10`: the client cannot read chunks. */
export function responseFramingOut(
  headers: ResponseHeaders,
  endStream: boolean,
  toHead: boolean,
  http10: boolean,
): BodyFraming {
  if (headers.has(H.contentLength)) return BodyFraming.Length;
  const status = headers.status;
  if (status < 200 || status === 204 || status === 304) return BodyFraming.None;
  if (endStream && !toHead) return BodyFraming.None;
  if (http10) return BodyFraming.UntilClose;
  return BodyFraming.Chunked;
}

export function responseHead(
  headers: ResponseHeaders,
  framing: BodyFraming,
  endStream: boolean,
  http10: boolean,
): string {
  let text = http10 ? statusLine(headers.status).replace('1.1', '1.0') : statusLine(headers.status);
  text += fields(headers);
  if (framing === BodyFraming.Chunked) text += '\r\ntransfer-encoding: chunked';
  else if (
    framing === BodyFraming.None &&
    endStream &&
    headers.status >= 200 &&
    headers.status !== 204 &&
    headers.status !== 304
  ) {
    text += '\r\ncontent-length: 0';
  }
  return `${text}\r\n\r\n`;
}

export const chunkHead = (byteCount: number): string => `${byteCount.toString(16)}\r\n`;
export const CHUNK_END = '\r\n';
export const LAST_CHUNK = '0\r\n\r\n';

/** Last chunk with a trailer section. */
export const lastChunkWith = (trailers: HeaderMap): string => `0${fields(trailers)}\r\n\r\n`;

/** Of header lines as Envoy counts what it sends: without start line and blank line. */
export const headerBytesSent = (head: string): number => head.length - head.indexOf('\n') - 3;

/** As Envoy counts what it receives: names, values and three bytes a line; three where there is no line. */
export const headerBytesReceived = (headers: HeaderMap): number =>
  headers.size === 0 ? 3 : headers.byteSize() - headers.size;
