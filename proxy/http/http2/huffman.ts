// [w] Huffman coding of header strings (RFC 7541 §5.2, Appendix B). The code is canonical, so the lengths say it all.
//
// Decoding walks a table by half bytes: 256 inner nodes × 16 entries of one int each (16 KiB, stays in the first-level
// cache); an entry is `next node | symbol << 8 | EMITS | ACCEPTS | FAILS`.

/** Bits of each byte's code, byte 0 first; the end symbol (256) has 30. */
// prettier-ignore
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];
const END_SYMBOL = 256;
const LONGEST = 30;

const EMITS = 1 << 16;
const ACCEPTS = 1 << 17;
const FAILS = 1 << 18;

/** Code of each symbol, right-aligned. */
const CODES = canonicalCodes();
const TABLE = decodeTable();

function canonicalCodes(): Uint32Array {
  const codes = new Uint32Array(257);
  let code = 0;
  for (let length = 1; length <= LONGEST; length++) {
    for (let symbol = 0; symbol <= END_SYMBOL; symbol++)
      if (LENGTHS[symbol] === length) codes[symbol] = code++;
    code *= 2;
  }
  return codes;
}

function decodeTable(): Uint32Array {
  // Inner nodes in order of discovery, two children each: another node's number, or -1 - symbol.
  const children: [number, number][] = [[0, 0]];
  for (let symbol = 0; symbol <= END_SYMBOL; symbol++) {
    let node = 0;
    for (let bit = LENGTHS[symbol]! - 1; bit > 0; bit--) {
      const side = (CODES[symbol]! >>> bit) & 1;
      if (children[node]![side] === 0) {
        children[node]![side] = children.length;
        children.push([0, 0]);
      }
      node = children[node]![side]!;
    }
    children[node]![CODES[symbol]! & 1] = -1 - symbol;
  }
  const accepting = acceptingNodes(children);
  const table = new Uint32Array(children.length * 16);
  for (let node = 0; node < children.length; node++)
    for (let half = 0; half < 16; half++)
      table[node * 16 + half] = walk(children, accepting, node, half);
  return table;
}

/** The root, and what follows it by up to seven one bits: the only padding there is (RFC 7541 §5.2). */
function acceptingNodes(children: readonly (readonly [number, number])[]): ReadonlySet<number> {
  const nodes = new Set([0]);
  let node = 0;
  for (let bits = 1; bits <= 7; bits++) {
    node = children[node]![1];
    nodes.add(node);
  }
  return nodes;
}

function walk(
  children: readonly (readonly [number, number])[],
  accepting: ReadonlySet<number>,
  start: number,
  half: number,
): number {
  let node = start;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const next = children[node]![((half >>> bit) & 1) as 0 | 1];
    if (next >= 0) node = next;
    else {
      const symbol = -1 - next;
      if (symbol === END_SYMBOL) return FAILS;
      emitted = EMITS | (symbol << 8);
      node = 0;
    }
  }
  return node | emitted | (accepting.has(node) ? ACCEPTS : 0);
}

/** Longest decoded form of `byteCount` coded bytes: the shortest codes have five bits. */
export const maxDecodedBytes = (byteCount: number): number => ((byteCount * 8) / 5) | 0;

/** Writes the decoded bytes to the start of `out` (large enough by maxDecodedBytes); their number, -1 when malformed. */
export function huffmanDecode(bytes: Buffer, start: number, end: number, out: Buffer): number {
  let node = 0;
  let length = 0;
  let entry = ACCEPTS;
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    entry = TABLE[(node << 4) | (byte >>> 4)]!;
    if (entry >= EMITS) {
      if ((entry & FAILS) !== 0) return -1;
      if ((entry & EMITS) !== 0) out[length++] = (entry >>> 8) & 0xff;
    }
    node = entry & 0xff;
    entry = TABLE[(node << 4) | (byte & 15)]!;
    if (entry >= EMITS) {
      if ((entry & FAILS) !== 0) return -1;
      if ((entry & EMITS) !== 0) out[length++] = (entry >>> 8) & 0xff;
    }
    node = entry & 0xff;
  }
  return (entry & ACCEPTS) !== 0 ? length : -1;
}

/** Coded size of a latin1 string in bytes. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += LENGTHS[text.charCodeAt(i) & 0xff]!;
  return (bits + 7) >>> 3;
}

/** Writes the coded string at `position` of `out`, which has room; the position behind it. */
export function huffmanEncode(text: string, out: Buffer, position: number): number {
  let hold = 0;
  let held = 0;
  let at = position;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff;
    let left = LENGTHS[symbol]!;
    const code = CODES[symbol]!;
    // At most 7 bits are held; codes longer than 24 bits go in two steps to stay within 32.
    if (left > 24) {
      hold = (hold << (left - 16)) | (code >>> 16);
      held += left - 16;
      while (held >= 8) out[at++] = hold >>> (held -= 8);
      left = 16;
    }
    hold = (hold << left) | (code & ((1 << left) - 1));
    held += left;
    while (held >= 8) out[at++] = hold >>> (held -= 8);
  }
  if (held > 0) out[at++] = (hold << (8 - held)) | (0xff >>> held);
  return at;
}
