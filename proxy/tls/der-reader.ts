// [b] A strict reader of DER (X.690 §10): definite and minimal lengths, nothing past the end. Certificates come from
// peers; what is matched is the bytes they hold, never a text that some library made of them (attack checklist 61).

/** What a peer sent is no DER: callers take the whole structure for unreadable. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

export const Tag = {
  Boolean: 0x01,
  Integer: 0x02,
  BitString: 0x03,
  OctetString: 0x04,
  ObjectId: 0x06,
  Utf8String: 0x0c,
  PrintableString: 0x13,
  T61String: 0x14,
  Ia5String: 0x16,
  UtcTime: 0x17,
  GeneralizedTime: 0x18,
  UniversalString: 0x1c,
  BmpString: 0x1e,
  Sequence: 0x30,
  Set: 0x31,
} as const;

/** [n], primitive or constructed. */
export const contextTag = (number: number, constructed: boolean): number =>
  (constructed ? 0xa0 : 0x80) | number;

export class DerReader {
  readonly bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at === this.#end;
  }

  get position(): number {
    return this.#at;
  }

  /** 0 at the end. */
  peekTag(): number {
    return this.done ? 0 : this.bytes[this.#at]!;
  }

  /** Content of the next element, whatever it is. */
  next(): DerReader {
    const tag = this.#byte();
    if ((tag & 0x1f) === 0x1f) throw new DerError('tag of more than one byte');
    const length = this.#length();
    if (length > this.#end - this.#at) throw new DerError('length past the end');
    const content = new DerReader(this.bytes, this.#at, this.#at + length);
    this.#at += length;
    return content;
  }

  /** Content of the next element, which must have that tag. */
  expect(tag: number): DerReader {
    if (this.peekTag() !== tag) throw new DerError(`tag ${this.peekTag()} where ${tag} is due`);
    return this.next();
  }

  /** Content of the next element if it has that tag. */
  optional(tag: number): DerReader | null {
    return this.peekTag() === tag ? this.next() : null;
  }

  /** The next element with its tag and length. */
  whole(): Uint8Array {
    const start = this.#at;
    this.next();
    return this.bytes.subarray(start, this.#at);
  }

  /** What is left. */
  rest(): Uint8Array {
    return this.bytes.subarray(this.#at, this.#end);
  }

  /** What is left, a character a byte. */
  text(): string {
    return Buffer.from(
      this.bytes.buffer,
      this.bytes.byteOffset + this.#at,
      this.#end - this.#at,
    ).toString('latin1');
  }

  /** Of an OBJECT IDENTIFIER's content. */
  objectId(): string {
    if (this.done) throw new DerError('empty object identifier');
    const parts: number[] = [];
    let value = 0;
    let started = false;
    while (!this.done) {
      const byte = this.#byte();
      if (!started && byte === 0x80) throw new DerError('padded object identifier');
      started = true;
      value = value * 128 + (byte & 0x7f);
      if (value > Number.MAX_SAFE_INTEGER / 128) throw new DerError('object identifier too large');
      if ((byte & 0x80) !== 0) continue;
      if (parts.length === 0) {
        const first = Math.min(2, Math.trunc(value / 40));
        parts.push(first, value - first * 40);
      } else parts.push(value);
      value = 0;
      started = false;
    }
    if (started) throw new DerError('object identifier cut off');
    return parts.join('.');
  }

  #byte(): number {
    if (this.#at >= this.#end) throw new DerError('cut off');
    return this.bytes[this.#at++]!;
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    // Indefinite, or of a size nothing here has.
    if (count === 0 || count > 4) throw new DerError('bad length');
    let length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + this.#byte();
    if (length < 0x80 || length < 256 ** (count - 1)) throw new DerError('padded length');
    return length;
  }
}
