// [w] envoy.filters.listener.http_inspector: HTTP/1 or the HTTP/2 preface by the first line (envoy-behaviour §8.4).
import type { InspectedConnection, Inspector, InspectorVerdict } from './inspector.ts';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const MAX_BYTES = 65536;
/** Far above the longest method; a flood of letters is not read again with every packet. */
const MAX_METHOD_BYTES = 64;
const LF = 0x0a;

const isMethodByte = (byte: number): boolean =>
  (byte >= 0x41 && byte <= 0x5a) ||
  (byte >= 0x61 && byte <= 0x7a) ||
  byte === 0x2d ||
  byte === 0x5f;

/** Behind the letters of a method, looking no further than a method can be long. */
function endOfMethod(bytes: Buffer, start: number): number {
  const most = Math.min(bytes.length, start + MAX_METHOD_BYTES + 1);
  let end = start;
  while (end < most && isMethodByte(bytes[end]!)) end++;
  return end;
}

export class HttpInspector implements Inspector {
  readonly waitsForClient = true;

  inspect(bytes: Buffer, found: InspectedConnection): InspectorVerdict {
    if (found.transportProtocol !== '' && found.transportProtocol !== 'raw_buffer') return 'done';
    if (bytes.length === 0) return 'wait';
    const prefix = bytes.latin1Slice(0, Math.min(bytes.length, PREFACE.length));
    if (PREFACE.startsWith(prefix)) {
      if (bytes.length < PREFACE.length) return 'wait';
      found.applicationProtocols = ['h2c'];
      return 'done';
    }
    return this.#firstLine(bytes, found);
  }

  #firstLine(bytes: Buffer, found: InspectedConnection): InspectorVerdict {
    let start = 0;
    while (start < bytes.length && (bytes[start] === 0x0d || bytes[start] === LF)) start++;
    const space = endOfMethod(bytes, start);
    if (space - start > MAX_METHOD_BYTES) return 'done';
    // Bytes that cannot begin a method end the search at once.
    if (space < bytes.length && (bytes[space] !== 0x20 || space === start)) return 'done';
    const lineFeed = bytes.indexOf(LF, space);
    if (lineFeed < 0) return bytes.length >= MAX_BYTES ? 'done' : 'wait';
    const end = bytes[lineFeed - 1] === 0x0d ? lineFeed - 1 : lineFeed;
    const version = bytes.latin1Slice(Math.max(space, end - 9), end);
    if (version === ' HTTP/1.1') found.applicationProtocols = ['http/1.1'];
    else if (version.startsWith(' HTTP/') && version[7] === '.')
      found.applicationProtocols = ['http/1.0'];
    return 'done';
  }
}
