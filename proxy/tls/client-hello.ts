// [w] What a ClientHello says (RFC 8446 §4.1.2), read without consuming bytes: by the TLS inspector to choose a filter
// chain, by the TLS socket to choose a certificate and to answer ALPN.

const HANDSHAKE = 0x16;
const CLIENT_HELLO = 1;
const MAX_HELLO_BYTES = 16384;
const MAX_PROTOCOLS = 32;
const MAX_LISTED = 256;
/** RFC 1035 §2.3.4; the matcher's work grows with the name's labels. */
const MAX_SERVER_NAME_BYTES = 255;

const Extension = {
  ServerName: 0,
  SupportedGroups: 10,
  PointFormats: 11,
  SignatureAlgorithms: 13,
  Alpn: 16,
  PreSharedKey: 41,
  SupportedVersions: 43,
  KeyShare: 51,
} as const;

/** A session of TLS 1.3 is to be resumed. */
export const offersSession = ({ extensions }: ClientHello): boolean =>
  extensions.includes(Extension.PreSharedKey);

export interface ClientHello {
  /** Lower-case; '' where there is none. */
  serverName: string;
  /** In the client's order. */
  applicationProtocols: readonly string[];
  legacyVersion: number;
  /** Types, in the client's order. */
  extensions: number[];
  pointFormats: readonly number[];
  /** Cipher suites, groups, signature schemes and versions by their numbers, in the client's order. */
  cipherSuites: readonly number[];
  groups: readonly number[];
  keyShares: readonly number[];
  signatureSchemes: readonly number[];
  versions: readonly number[];
}

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
    let value = 0;
    for (let i = 0; i < byteCount; i++) value = value * 256 + this.#bytes[this.position++]!;
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

  /** 16 bit numbers to the end. */
  numbers(): readonly number[] {
    const count = Math.min(this.left >> 1, MAX_LISTED);
    const found: number[] = [];
    for (let i = 0, at = this.position; i < count; i++, at += 2)
      found.push(this.#bytes[at]! * 256 + this.#bytes[at + 1]!);
    this.position += count * 2;
    return found;
  }
}

const TOO_LONG = -2;

/** Handshake bytes of the hello under inspection; used within one call only. */
const hello = Buffer.alloc(MAX_HELLO_BYTES);

/**
 * Gathers the handshake bytes of all records into `hello`. Their count once the message is complete, 0 while more is
 * needed, -1 when this is no TLS, TOO_LONG. One pass: a hello cut into many small records costs no more than a whole one.
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
    if (wanted > MAX_HELLO_BYTES) return TOO_LONG;
    if (total >= wanted) return wanted;
  }
  return 0;
}

/** `wait`: more bytes are needed. `no`: this is no ClientHello. `long`: longer than anybody sends. */
export function readClientHello(bytes: Buffer): ClientHello | 'wait' | 'no' | 'long' {
  if (bytes.length === 0) return 'wait';
  const length = gatherHello(bytes);
  if (length === 0) return 'wait';
  if (length === TOO_LONG) return 'long';
  return length < 0 ? 'no' : readHello(length);
}

function readHello(length: number): ClientHello {
  const found: ClientHello = {
    serverName: '',
    applicationProtocols: [],
    legacyVersion: 0,
    extensions: [],
    pointFormats: [],
    cipherSuites: [],
    groups: [],
    keyShares: [],
    signatureSchemes: [],
    versions: [],
  };
  const reader = new Reader(hello, 4, length);
  const legacyVersion = reader.number(2);
  found.legacyVersion = legacyVersion;
  reader.skip(32);
  reader.skip(reader.number(1));
  found.cipherSuites = reader.sub(reader.number(2)).numbers();
  reader.skip(reader.number(1));
  const extensions = reader.sub(reader.number(2));
  while (extensions.left >= 4 && !extensions.short) {
    const type = extensions.number(2);
    if (found.extensions.length < MAX_LISTED) found.extensions.push(type);
    readExtension(type, extensions.sub(extensions.number(2)), found);
  }
  if (found.versions.length === 0) found.versions = [legacyVersion];
  return found;
}

function readExtension(type: number, body: Reader, found: ClientHello): void {
  switch (type) {
    case Extension.ServerName:
      readServerName(body, found);
      return;
    case Extension.Alpn:
      readAlpn(body, found);
      return;
    case Extension.SupportedGroups:
      found.groups = body.sub(body.number(2)).numbers();
      return;
    case Extension.PointFormats:
      found.pointFormats = bytesOf(body.sub(body.number(1)));
      return;
    case Extension.SignatureAlgorithms:
      found.signatureSchemes = body.sub(body.number(2)).numbers();
      return;
    case Extension.SupportedVersions:
      found.versions = body.sub(body.number(1)).numbers();
      return;
    case Extension.KeyShare:
      found.keyShares = readKeyShares(body.sub(body.number(2)));
      return;
    default:
  }
}

function readServerName(body: Reader, found: ClientHello): void {
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

function readAlpn(body: Reader, found: ClientHello): void {
  const list = body.sub(body.number(2));
  const protocols: string[] = [];
  while (list.left >= 2 && !list.short && protocols.length < MAX_PROTOCOLS)
    protocols.push(list.text(list.number(1)));
  if (!list.short) found.applicationProtocols = protocols;
}

function bytesOf(list: Reader): readonly number[] {
  const bytes: number[] = [];
  while (list.left > 0) bytes.push(list.number(1));
  return bytes;
}

function readKeyShares(list: Reader): readonly number[] {
  const groups: number[] = [];
  while (list.left >= 4 && !list.short && groups.length < MAX_LISTED) {
    groups.push(list.number(2));
    list.skip(list.number(2));
  }
  return groups;
}
