// [w] GzipFraming: header and trailer of one gzip member (RFC 1952), read byte by byte, however they are cut. What
// follows the first member is passed over, as Envoy does.

type Crc32 = (data: Buffer, value?: number) => number;

const FHCRC = 0x02;
const FEXTRA = 0x04;
const FNAME = 0x08;
const FCOMMENT = 0x10;
const FIXED_BYTES = 10;
const TRAILER_BYTES = 8;

export class GzipFraming {
  #at = 0;
  #flags = 0;
  #extraLeft = -1;
  #hcrcLeft = 2;
  #headerDone = false;
  #broken = false;
  #crc = 0;
  #size = 0;
  readonly #trailer: number[] = [];

  /** What is behind the header; null: it is none. */
  readHeader(chunk: Buffer): Buffer | null {
    let i = 0;
    while (!this.#headerDone && !this.#broken && i < chunk.length) this.#headerByte(chunk[i++]!);
    if (this.#broken) return null;
    return i === 0 ? chunk : chunk.subarray(i);
  }

  count(piece: Buffer, crc32: Crc32): void {
    this.#crc = crc32(piece, this.#crc);
    this.#size = (this.#size + piece.length) >>> 0;
  }

  /** False once the trailer is whole and does not fit what was counted. */
  readTrailer(chunk: Buffer): boolean {
    const trailer = this.#trailer;
    if (trailer.length === TRAILER_BYTES) return true;
    for (let i = 0; i < chunk.length && trailer.length < TRAILER_BYTES; i++)
      trailer.push(chunk[i]!);
    if (trailer.length < TRAILER_BYTES) return true;
    const bytes = Buffer.from(trailer);
    return bytes.readUInt32LE(0) === this.#crc && bytes.readUInt32LE(4) === this.#size;
  }

  #headerByte(byte: number): void {
    const at = this.#at++;
    if (at < FIXED_BYTES) {
      if (at === 0) this.#broken = byte !== 0x1f;
      else if (at === 1) this.#broken = byte !== 0x8b;
      else if (at === 2) this.#broken = byte !== 8;
      else if (at === 3) {
        this.#flags = byte;
        this.#broken = (byte & 0xe0) !== 0;
      }
    } else this.#optionalByte(byte);
    if (this.#at >= FIXED_BYTES) this.#headerDone = this.#flags === 0 || this.#nothingLeft();
  }

  /** Fields stand in the order of their checks here; each clears its flag when it is over. */
  #optionalByte(byte: number): void {
    if ((this.#flags & FEXTRA) !== 0) {
      if (this.#at === FIXED_BYTES + 1) this.#extraLeft = byte;
      else if (this.#at === FIXED_BYTES + 2) this.#extraLeft += byte << 8;
      else this.#extraLeft--;
      if (this.#at >= FIXED_BYTES + 2 && this.#extraLeft === 0) this.#flags &= ~FEXTRA;
    } else if ((this.#flags & FNAME) !== 0) {
      if (byte === 0) this.#flags &= ~FNAME;
    } else if ((this.#flags & FCOMMENT) !== 0) {
      if (byte === 0) this.#flags &= ~FCOMMENT;
    } else if (--this.#hcrcLeft === 0) this.#flags &= ~FHCRC;
  }

  #nothingLeft(): boolean {
    return (this.#flags & (FEXTRA | FNAME | FCOMMENT | FHCRC)) === 0;
  }
}
