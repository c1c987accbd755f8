// [m] Reads DER that others wrote: definite lengths, shortest form, nothing beyond the end (ITU X.690 §10). Every call is bounded by
// the bytes that were given.

export class DerError extends Error {}

export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  /** With tag and length. */
  readonly whole: Uint8Array;
}

export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  next(): DerElement {
    const bytes = this.#bytes;
    const start = this.#at;
    const tag = bytes[start];
    const first = bytes[start + 1];
    if (tag === undefined || first === undefined) throw new DerError('ends too early');
    if ((tag & 0x1f) === 0x1f) throw new DerError('has a tag of several bytes');
    let from = start + 2;
    let length = first;
    if (first >= 0x80) {
      const count = first & 0x7f;
      if (count === 0 || count > 3) throw new DerError('has a length that is not taken');
      length = 0;
      for (let i = 0; i < count; i++) length = length * 256 + (bytes[from + i] ?? 0);
      from += count;
      if (length < 0x80 || length < 256 ** (count - 1))
        throw new DerError('has a length that is not in its shortest form');
    }
    const end = from + length;
    if (end > bytes.length) throw new DerError('ends too early');
    this.#at = end;
    return { tag, content: bytes.subarray(from, end), whole: bytes.subarray(start, end) };
  }

  expect(tag: number): DerElement {
    const element = this.next();
    if (element.tag !== tag) throw new DerError(`has tag ${element.tag} where ${tag} is due`);
    return element;
  }

  /** The next element, if it has this tag. */
  optional(tag: number): DerElement | undefined {
    return this.#bytes[this.#at] === tag && !this.atEnd ? this.next() : undefined;
  }

  end(): void {
    if (!this.atEnd) throw new DerError('has more than it should');
  }
}

export const readSequence = (bytes: Uint8Array): DerReader => {
  const outer = new DerReader(bytes);
  const { content } = outer.expect(0x30);
  outer.end();
  return new DerReader(content);
};

/** `1.2.840.…` of an OBJECT IDENTIFIER's content. */
export function oidText(content: Uint8Array): string {
  const arcs: number[] = [];
  let value = 0;
  let open = false;
  for (const byte of content) {
    if (value > 0xff_ffff) throw new DerError('has an object identifier that is too large');
    value = value * 128 + (byte & 0x7f);
    open = byte >= 0x80;
    if (open) continue;
    arcs.push(value);
    value = 0;
  }
  const first = arcs.shift();
  if (first === undefined || open) throw new DerError('has a broken object identifier');
  const top = Math.min(2, Math.floor(first / 40));
  return [top, first - top * 40, ...arcs].join('.');
}

const PEM_BASE64 = /^[A-Za-z0-9+/\s]+={0,2}\s*$/;

/** The bytes of the only PEM block of that label. */
export function pemBytes(label: string, text: string): Uint8Array {
  const begin = `-----BEGIN ${label}-----`;
  const end = `-----END ${label}-----`;
  const trimmed = text.replace(/\s+$/, '');
  if (!trimmed.startsWith(begin) || !trimmed.endsWith(end))
    throw new DerError(`is no PEM block ${label}`);
  const body = trimmed.slice(begin.length, -end.length);
  if (!PEM_BASE64.test(body)) throw new DerError('is no base64');
  return Buffer.from(body, 'base64');
}
