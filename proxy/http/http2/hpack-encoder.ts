// [w] HPACK, writing side (RFC 7541 §6): one encoder a connection, header blocks in wire order.
//
// A line goes into the dynamic table when it is seen for the second time: what recurs costs one or two bytes from then
// on, what changes with each message (request ids, dates) pushes nobody out. Our half of the dynamic table is a ring of
// sizes; which line has which number is kept in SLOTS direct-mapped slots, found by name and a few characters of the
// value. A slot in use gives way only after STRENGTH misses in a row.
//
// Memory: SLOTS names and values, values at most MAX_INDEXED_BYTES each; the ring has one int for each possible entry.
import type { HeaderMap } from '../header-map.ts';
import type { HeaderName } from '../headers.ts';
import { STATIC_COUNT, staticNameIndex } from './hpack-static-table.ts';
import { huffmanEncode, huffmanLength } from './huffman.ts';
import { DEFAULT_HEADER_TABLE_BYTES } from './protocol.ts';

const SLOTS = 128;
const STRENGTH = 3;
const ENTRY_OVERHEAD = 32;
const RING = DEFAULT_HEADER_TABLE_BYTES / ENTRY_OVERHEAD;
/** Larger lines would push out half of the table. */
const MAX_INDEXED_BYTES = DEFAULT_HEADER_TABLE_BYTES / 2 - ENTRY_OVERHEAD;
/** Longer texts are written by one call into C++, shorter ones byte by byte (bench/micro/http2-hpack.bench.ts). */
const LOOP_BYTES = 16;
/** Representation, name index or length, value length: the most a line has beside its text. */
const LINE_OVERHEAD = 12;

// Layout of HeaderName.hpack: static index in the low 6 bits, then flags, then a hash of the text.
const STATIC_MASK = 0x3f;
const CLASSIFIED = 0x40;
const SENSITIVE = 0x80;
const HASH_SHIFT = 8;

/** Never kept in a table, here or by the next hop (RFC 7541 §7.1.3). */
const SENSITIVE_NAMES: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'set-cookie',
]);

function classify(name: HeaderName): number {
  let hash = 0;
  for (let i = 0; i < name.text.length; i++)
    hash = (Math.imul(hash, 31) + name.text.charCodeAt(i)) | 0;
  hash ^= hash >>> 15;
  name.hpack =
    ((hash & 0x3f_ffff) << HASH_SHIFT) |
    (SENSITIVE_NAMES.has(name.text) ? SENSITIVE : 0) |
    CLASSIFIED |
    staticNameIndex(name.text);
  return name.hpack;
}

const STATUS_INDEX = new Uint8Array(600);
for (const [index, status] of [200, 204, 206, 304, 400, 404, 500].entries())
  STATUS_INDEX[status] = index + 8;
const STATUS_NAME_INDEX = 8;

/** The most bytes that the lines of `headers` can take, pseudo headers not counted. */
export function blockBound(headers: HeaderMap): number {
  let bound = 0;
  const count = headers.size;
  for (let i = 0; i < count; i++)
    bound += headers.nameAt(i).text.length + headers.valueAt(i).length + LINE_OVERHEAD;
  return bound;
}

/** Two size updates and a few pseudo headers without their values. */
export const BLOCK_OVERHEAD = 160;

const NO_NAMES: readonly (HeaderName | null)[] = Array.from({ length: SLOTS }, () => null);
const NO_VALUES: readonly string[] = Array.from({ length: SLOTS }, () => '');

export class HpackEncoder {
  #maxBytes = DEFAULT_HEADER_TABLE_BYTES;
  #usedBytes = 0;
  /** Entries ever inserted, and those still there. */
  #inserted = 0;
  #count = 0;
  /** Made by the first block. */
  #sizes: Uint32Array | null = null;
  #names: (HeaderName | null)[] = [];
  #values: string[] = [];
  /** Number of the insertion; 0: the line was seen once and is not in the table. */
  #numbers = new Int32Array(0);
  #strengths = new Uint8Array(0);
  /** Size updates still to be told: the smallest since the last block, and the last one; -1: none. */
  #smallestUpdate = -1;
  #lastUpdate = -1;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. We use at most the default. */
  setPeerTableBytes(bytes: number): void {
    const wanted = Math.min(bytes, DEFAULT_HEADER_TABLE_BYTES);
    if (wanted === this.#maxBytes && this.#lastUpdate < 0) return;
    if (this.#smallestUpdate < 0 || wanted < this.#smallestUpdate) this.#smallestUpdate = wanted;
    this.#lastUpdate = wanted;
    this.#maxBytes = wanted;
    this.#evict(0);
  }

  /** Call before the first line of each block; the position behind. */
  beginBlock(out: Buffer, at: number): number {
    if (this.#sizes === null) this.#allocate();
    if (this.#lastUpdate < 0) return at;
    let position = at;
    if (this.#smallestUpdate < this.#lastUpdate)
      position = writeInteger(out, position, 0x20, 0x1f, this.#smallestUpdate);
    position = writeInteger(out, position, 0x20, 0x1f, this.#lastUpdate);
    this.#smallestUpdate = -1;
    this.#lastUpdate = -1;
    return position;
  }

  status(out: Buffer, at: number, status: number): number {
    const index = status < STATUS_INDEX.length ? STATUS_INDEX[status]! : 0;
    if (index !== 0) {
      out[at] = 0x80 | index;
      return at + 1;
    }
    out[at] = STATUS_NAME_INDEX;
    out[at + 1] = 3;
    out[at + 2] = 0x30 + ((status / 100) | 0);
    out[at + 3] = 0x30 + (((status / 10) | 0) % 10);
    out[at + 4] = 0x30 + (status % 10);
    return at + 5;
  }

  /** `index` of the static table, name and value both. */
  indexed(out: Buffer, at: number, index: number): number {
    out[at] = 0x80 | index;
    return at + 1;
  }

  /** All lines of `headers`; the caller made room by blockBound(). */
  lines(out: Buffer, at: number, headers: HeaderMap): number {
    let position = at;
    const count = headers.size;
    for (let i = 0; i < count; i++)
      position = this.line(out, position, headers.nameAt(i), headers.valueAt(i));
    return position;
  }

  line(out: Buffer, at: number, name: HeaderName, value: string): number {
    const facts = name.hpack !== 0 ? name.hpack : classify(name);
    const length = value.length;
    if ((facts & SENSITIVE) !== 0) return writeLiteral(out, at, 0x10, name, value);
    const hash =
      (facts >>> HASH_SHIFT) +
      length * 7 +
      (length > 0 ? value.charCodeAt(length - 1) * 5 + value.charCodeAt(length >>> 1) * 3 : 0);
    const slot = (hash ^ (hash >>> 7)) & (SLOTS - 1);
    const number = this.#numbers[slot]!;
    const live = number > this.#inserted - this.#count;
    if (this.#values[slot] === value && sameName(this.#names[slot]!, name)) {
      if (live) {
        this.#strengths[slot] = STRENGTH;
        const index = STATIC_COUNT + 1 + this.#inserted - number;
        if (index < 0x7f) {
          out[at] = 0x80 | index;
          return at + 1;
        }
        return writeInteger(out, at, 0x80, 0x7f, index);
      }
      return this.#insert(out, at, slot);
    }
    if (live && this.#strengths[slot]! > 0) this.#strengths[slot]!--;
    else if (length <= MAX_INDEXED_BYTES) {
      this.#names[slot] = name;
      this.#values[slot] = value;
      this.#numbers[slot] = 0;
    }
    return writeLiteral(out, at, 0x00, name, value);
  }

  /** Second sight of the line in `slot`. */
  #insert(out: Buffer, at: number, slot: number): number {
    const name = this.#names[slot]!;
    const value = this.#values[slot]!;
    const size = name.text.length + value.length + ENTRY_OVERHEAD;
    if (size > this.#maxBytes / 2) return writeLiteral(out, at, 0x00, name, value);
    this.#evict(size);
    this.#sizes![this.#inserted % RING] = size;
    this.#inserted++;
    this.#count++;
    this.#usedBytes += size;
    this.#numbers[slot] = this.#inserted;
    this.#strengths[slot] = STRENGTH;
    return writeLiteral(out, at, 0x40, name, value);
  }

  #evict(room: number): void {
    while (this.#count > 0 && this.#usedBytes + room > this.#maxBytes) {
      this.#usedBytes -= this.#sizes![(this.#inserted - this.#count) % RING]!;
      this.#count--;
    }
  }

  #allocate(): void {
    this.#sizes = new Uint32Array(RING);
    // Copied: arrays that are filled one by one cost ten times as much.
    this.#names = NO_NAMES.slice();
    this.#values = NO_VALUES.slice();
    this.#numbers = new Int32Array(SLOTS);
    this.#strengths = new Uint8Array(SLOTS);
  }
}

/** Unregistered names are one object nearly always, but need not be. */
const sameName = (one: HeaderName | null, other: HeaderName): boolean =>
  one === other || (one !== null && one.bit === 0 && one.text === other.text);

/** `kind`: 0x40 with indexing, 0x00 without, 0x10 never. */
// oxlint-disable-next-line eslint/max-params -- as line()
function writeLiteral(
  out: Buffer,
  at: number,
  kind: number,
  name: HeaderName,
  value: string,
): number {
  const prefix = kind === 0x40 ? 0x3f : 0x0f;
  const index = name.hpack & STATIC_MASK;
  let position: number;
  if (index === 0) {
    out[at] = kind;
    // Names that enter the table are packed: once.
    position = writeText(out, at + 1, name.text, kind === 0x40);
  } else if (index < prefix) {
    out[at] = kind | index;
    position = at + 1;
  } else position = writeInteger(out, at, kind, prefix, index);
  return writeText(out, position, value, kind === 0x40);
}

function writeText(out: Buffer, at: number, text: string, pack: boolean): number {
  const length = text.length;
  if (pack) {
    const packed = huffmanLength(text);
    if (packed < length) return huffmanEncode(text, out, writeInteger(out, at, 0x80, 0x7f, packed));
  }
  let position: number;
  if (length < 0x7f) {
    out[at] = length;
    position = at + 1;
  } else position = writeInteger(out, at, 0x00, 0x7f, length);
  if (length > LOOP_BYTES) return position + out.latin1Write(text, position, length);
  for (let i = 0; i < length; i++) out[position + i] = text.charCodeAt(i);
  return position + length;
}

/** RFC 7541 §5.1 with `bits` above the prefix. */
// oxlint-disable-next-line eslint/max-params -- as line()
function writeInteger(
  out: Buffer,
  at: number,
  bits: number,
  prefix: number,
  value: number,
): number {
  if (value < prefix) {
    out[at] = bits | value;
    return at + 1;
  }
  out[at] = bits | prefix;
  let position = at + 1;
  let rest = value - prefix;
  while (rest >= 0x80) {
    out[position++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[position++] = rest;
  return position;
}
