// [w] envoy.filters.listener.tls_inspector: SNI and ALPN out of a ClientHello, without consuming bytes
// (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301 §3.1; envoy-behaviour §8.4).
import type { InspectedConnection, Inspector, InspectorVerdict } from './inspector.ts';

const HANDSHAKE = 0x16;
const CLIENT_HELLO = 1;
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_ALPN = 16;
const MAX_HELLO_BYTES = 16384;
const MAX_PROTOCOLS = 32;
/** RFC 1035 §2.3.4; the matcher's work grows with the name's labels. */
const MAX_SERVER_NAME_BYTES = 255;

/** Reads big-endian fields; any read past the end sets `short` and gives 0. */
class Reader {
  readonly #bytes: Buffer;
  readonly #end: number;
  position: number;
  short = false;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.position = start;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.position;
  }

  number(byteCount: number): number {
    if (this.left < byteCount) {
      this.short = true;
      this.position = this.#end;
      return 0;
    }
    const value = this.#bytes.readUIntBE(this.position, byteCount);
    this.position += byteCount;
    return value;
  }

  skip(byteCount: number): void {
    if (this.left < byteCount) this.short = true;
    this.position = Math.min(this.#end, this.position + byteCount);
  }

  /** A reader over the next `byteCount` bytes, which are skipped here. */
  sub(byteCount: number): Reader {
    const end = Math.min(this.#end, this.position + byteCount);
    const reader = new Reader(this.#bytes, this.position, end);
    this.skip(byteCount);
    return reader;
  }

  text(byteCount: number): string {
    const start = this.position;
    this.skip(byteCount);
    return this.#bytes.latin1Slice(start, this.position);
  }
}

/** Handshake bytes of the hello under inspection; used within one call only. */
const hello = Buffer.alloc(MAX_HELLO_BYTES);

/**
 * Gathers the handshake bytes of all records into `hello`. Their count once the message is complete, 0 while more is
 * needed, -1 when this is no TLS. One pass: a hello cut into many small records costs no more than a whole one.
 */
function gatherHello(bytes: Buffer): number {
  if (bytes[0] !== HANDSHAKE || (bytes.length > 1 && bytes[1] !== 3)) return -1;
  let position = 0;
  let total = 0;
  let wanted = 4;
  while (position + 5 <= bytes.length) {
    if (bytes[position] !== HANDSHAKE || bytes[position + 1] !== 3) return -1;
    const length = bytes.readUInt16BE(position + 3);
    // RFC 8446 §5.1: no empty fragments.
    if (length === 0) return -1;
    const end = Math.min(bytes.length, position + 5 + length);
    total += bytes.copy(hello, total, position + 5, end);
    position += 5 + length;
    if (total >= 1 && hello[0] !== CLIENT_HELLO) return -1;
    if (total >= 4) wanted = 4 + hello.readUIntBE(1, 3);
    if (wanted > MAX_HELLO_BYTES) return -1;
    if (total >= wanted) return wanted;
  }
  return 0;
}

export class TlsInspector implements Inspector {
  inspect(bytes: Buffer, found: InspectedConnection): InspectorVerdict {
    if (bytes.length === 0) return 'wait';
    const length = gatherHello(bytes);
    if (length === 0) return 'wait';
    if (length < 0) return 'done';
    found.transportProtocol = 'tls';
    readHello(length, found);
    return 'done';
  }
}

function readHello(length: number, found: InspectedConnection): void {
  const reader = new Reader(hello, 4, length);
  reader.skip(2 + 32);
  reader.skip(reader.number(1));
  reader.skip(reader.number(2));
  reader.skip(reader.number(1));
  const extensions = reader.sub(reader.number(2));
  while (extensions.left >= 4 && !extensions.short) {
    const type = extensions.number(2);
    const body = extensions.sub(extensions.number(2));
    if (type === EXTENSION_SERVER_NAME) readServerName(body, found);
    else if (type === EXTENSION_ALPN) readAlpn(body, found);
  }
}

function readServerName(body: Reader, found: InspectedConnection): void {
  const list = body.sub(body.number(2));
  while (list.left >= 3 && !list.short) {
    const hostName = list.number(1) === 0;
    const name = list.text(list.number(2));
    if (hostName && !list.short && name.length <= MAX_SERVER_NAME_BYTES) {
      found.serverName = name.toLowerCase();
      return;
    }
  }
}

function readAlpn(body: Reader, found: InspectedConnection): void {
  const list = body.sub(body.number(2));
  const protocols: string[] = [];
  while (list.left >= 2 && !list.short && protocols.length < MAX_PROTOCOLS)
    protocols.push(list.text(list.number(1)));
  if (!list.short) found.applicationProtocols = protocols;
}
