// [b] ProtobufWriter: the few messages a worker sends itself, field by field, as protobuf's wire format. Workers never
// load xds-protos (docs/performance.md); what they say to gRPC services is small and fixed.
//
// Text is byte strings (latin1, one character a byte), as header values are: nothing is transcoded.

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;

export class ProtobufWriter {
  #parts: Buffer[] = [];

  /** 0 is not written: it is what a field that is not there means. */
  number(field: number, value: number): void {
    if (value === 0) return;
    this.#parts.push(varint(field * 8 + VARINT), varint(value));
  }

  /** Of a oneof: written also where it is 0. */
  oneofNumber(field: number, value: number): void {
    this.#parts.push(varint(field * 8 + VARINT), varint(value));
  }

  double(field: number, value: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    this.#parts.push(varint(field * 8 + FIXED64), bytes);
  }

  bool(field: number, value: boolean): void {
    this.number(field, value ? 1 : 0);
  }

  /** Empty text is not written. */
  text(field: number, value: string): void {
    if (value !== '') this.bytes(field, Buffer.from(value, 'latin1'));
  }

  bytes(field: number, value: Buffer): void {
    this.#parts.push(varint(field * 8 + BYTES), varint(value.length), value);
  }

  /** A message within the message; written also where it is empty. */
  message(field: number, write: (writer: ProtobufWriter) => void): void {
    const inner = new ProtobufWriter();
    write(inner);
    this.bytes(field, inner.finish());
  }

  /** One entry of a map of strings. */
  entry(field: number, key: string, value: string): void {
    this.message(field, (writer) => {
      writer.text(1, key);
      writer.text(2, value);
    });
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** Of a whole number that is not negative. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}
