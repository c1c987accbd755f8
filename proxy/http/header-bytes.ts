// [w] Bytes of headers as logs count them: names and values, without what a codec puts between them.
import type { HeaderMap, RequestHeaders, ResponseHeaders } from './header-map.ts';

export const linesBytes = (headers: HeaderMap | undefined): number =>
  headers === undefined ? 0 : headers.byteSize() - 4 * headers.size;

const pseudoBytes = (name: string, value: string | undefined): number =>
  value ? name.length + value.length : 0;

export const requestHeadersBytes = (headers: RequestHeaders | undefined): number =>
  headers === undefined
    ? 0
    : linesBytes(headers) +
      pseudoBytes(':method', headers.method) +
      pseudoBytes(':path', headers.path) +
      pseudoBytes(':authority', headers.authority) +
      pseudoBytes(':scheme', headers.scheme);

export const responseHeadersBytes = (headers: ResponseHeaders | undefined): number =>
  headers === undefined ? 0 : linesBytes(headers) + ':status'.length + 3;
