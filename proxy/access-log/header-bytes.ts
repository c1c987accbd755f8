// [w] Bytes of headers as logs count them: names and values, without what HTTP/1 puts between them.
import type { AccessLogEntry } from '../http/conn-manager-context.ts';
import type { HeaderMap } from '../http/header-map.ts';

export const linesBytes = (headers: HeaderMap | undefined): number =>
  headers === undefined ? 0 : headers.byteSize() - 4 * headers.size;

export function requestHeadersBytes({ requestHeaders: headers }: AccessLogEntry): number {
  if (headers === undefined) return 0;
  const pseudo = (name: string, value: string | undefined): number =>
    value ? name.length + value.length : 0;
  return (
    linesBytes(headers) +
    pseudo(':method', headers.method) +
    pseudo(':path', headers.path) +
    pseudo(':authority', headers.authority) +
    pseudo(':scheme', headers.scheme)
  );
}

export const responseHeadersBytes = ({ responseHeaders: headers }: AccessLogEntry): number =>
  headers === undefined ? 0 : linesBytes(headers) + ':status'.length + 3;
