// [b] xxHash64 and MurmurHash64A (the one of std::hash) of bytes, as two halves of 32 bits: many times faster than BigInt
// (bench/micro/hashes.bench.ts), for tables of thousands of hashes.
//
// Halves are int32 all the way, which V8 keeps in registers; only the results are made unsigned.

/** Halves of the last hash, unsigned. */
export class Hash64 {
  high = 0;
  low = 0;

  /** XXH64 of `bytes[0, length)`. */
  xxHash64(bytes: Uint8Array, length: number, seed = 0): void {
    let at = 0;
    if (length >= 32) at = this.#stripes(bytes, length, seed);
    else this.#set(carryOf(P5_LOW, seed) + P5_HIGH, P5_LOW + seed);
    let high = this.high | 0;
    let low = this.low | 0;
    high = (high + carryOf(low, length)) | 0;
    low = (low + length) | 0;
    for (; at + 8 <= length; at += 8) {
      this.#round(0, 0, word(bytes, at + 4), word(bytes, at));
      high ^= this.high;
      low ^= this.low;
      let turned = (high << 27) | (low >>> 5);
      low = (low << 27) | (high >>> 5);
      high = productHigh(turned, low, P1_HIGH, P1_LOW);
      low = Math.imul(low, P1_LOW);
      turned = (high + P4_HIGH + carryOf(low, P4_LOW)) | 0;
      low = (low + P4_LOW) | 0;
      high = turned;
    }
    if (at + 4 <= length) {
      const input = word(bytes, at);
      high ^= productHigh(0, input, P1_HIGH, P1_LOW);
      low ^= Math.imul(input, P1_LOW);
      const turned = (high << 23) | (low >>> 9);
      low = (low << 23) | (high >>> 9);
      high = productHigh(turned, low, P2_HIGH, P2_LOW);
      low = Math.imul(low, P2_LOW);
      high = (high + P3_HIGH + carryOf(low, P3_LOW)) | 0;
      low = (low + P3_LOW) | 0;
      at += 4;
    }
    for (; at < length; at++) {
      const input = bytes[at]!;
      high ^= productHigh(0, input, P5_HIGH, P5_LOW);
      low ^= Math.imul(input, P5_LOW);
      const turned = (high << 11) | (low >>> 21);
      low = (low << 11) | (high >>> 21);
      high = productHigh(turned, low, P1_HIGH, P1_LOW);
      low = Math.imul(low, P1_LOW);
    }
    low ^= high >>> 1;
    high = productHigh(high, low, P2_HIGH, P2_LOW);
    low = Math.imul(low, P2_LOW);
    low ^= (low >>> 29) | (high << 3);
    high ^= high >>> 29;
    high = productHigh(high, low, P3_HIGH, P3_LOW);
    low = Math.imul(low, P3_LOW);
    this.#set(high, low ^ high);
  }

  /** MurmurHash64A of `bytes[0, length)` with the seed of libstdc++'s std::hash. */
  murmurHash2(bytes: Uint8Array, length: number): void {
    let high = productHigh(0, length, MUL_HIGH, MUL_LOW);
    let low = Math.imul(length, MUL_LOW) ^ STD_HASH_SEED;
    let at = 0;
    for (; at + 8 <= length; at += 8) {
      let wordLow = word(bytes, at);
      let wordHigh = productHigh(word(bytes, at + 4), wordLow, MUL_HIGH, MUL_LOW);
      wordLow = Math.imul(wordLow, MUL_LOW) ^ (wordHigh >>> 15);
      wordHigh = productHigh(wordHigh, wordLow, MUL_HIGH, MUL_LOW);
      high ^= wordHigh;
      low ^= Math.imul(wordLow, MUL_LOW);
      high = productHigh(high, low, MUL_HIGH, MUL_LOW);
      low = Math.imul(low, MUL_LOW);
    }
    if (at < length) {
      let restHigh = 0;
      let restLow = 0;
      for (let i = length - 1; i >= at; i--) {
        restHigh = (restHigh << 8) | (restLow >>> 24);
        restLow = (restLow << 8) | bytes[i]!;
      }
      high ^= restHigh;
      low ^= restLow;
      high = productHigh(high, low, MUL_HIGH, MUL_LOW);
      low = Math.imul(low, MUL_LOW);
    }
    low ^= high >>> 15;
    high = productHigh(high, low, MUL_HIGH, MUL_LOW);
    low = Math.imul(low, MUL_LOW);
    this.#set(high, low ^ (high >>> 15));
  }

  /** Four lanes of 8 bytes; gives where the rest begins. Keys of hosts are rarely as long. */
  #stripes(bytes: Uint8Array, length: number, seed: number): number {
    const high = new Int32Array(4);
    const low = new Int32Array(4);
    low[0] = P1_LOW + P2_LOW;
    high[0] = P1_HIGH + P2_HIGH + carryOf(P1_LOW, P2_LOW) + carryOf(low[0], seed);
    low[0] += seed;
    high[1] = P2_HIGH + carryOf(P2_LOW, seed);
    low[1] = P2_LOW + seed;
    low[2] = seed;
    high[3] = NEGATIVE_P1_HIGH + carryOf(NEGATIVE_P1_LOW, seed);
    low[3] = NEGATIVE_P1_LOW + seed;
    let at = 0;
    for (; at + 32 <= length; at += 32) {
      for (let lane = 0; lane < 4; lane++) {
        const place = at + lane * 8;
        this.#round(high[lane]!, low[lane]!, word(bytes, place + 4), word(bytes, place));
        high[lane] = this.high;
        low[lane] = this.low;
      }
    }
    this.#merge(high, low);
    return at;
  }

  #merge(highs: Int32Array, lows: Int32Array): void {
    let high = 0;
    let low = 0;
    for (let lane = 0; lane < 4; lane++) {
      const bits = LANE_TURNS[lane]!;
      const turnedHigh = (highs[lane]! << bits) | (lows[lane]! >>> (32 - bits));
      const turnedLow = (lows[lane]! << bits) | (highs[lane]! >>> (32 - bits));
      high = (high + turnedHigh + carryOf(low, turnedLow)) | 0;
      low = (low + turnedLow) | 0;
    }
    for (let lane = 0; lane < 4; lane++) {
      this.#round(0, 0, highs[lane]!, lows[lane]!);
      high ^= this.high;
      low ^= this.low;
      high = productHigh(high, low, P1_HIGH, P1_LOW);
      low = Math.imul(low, P1_LOW);
      high = (high + P4_HIGH + carryOf(low, P4_LOW)) | 0;
      low = (low + P4_LOW) | 0;
    }
    this.#set(high, low);
  }

  #round(high: number, low: number, inputHigh: number, inputLow: number): void {
    const addedHigh = productHigh(inputHigh, inputLow, P2_HIGH, P2_LOW);
    const addedLow = Math.imul(inputLow, P2_LOW);
    const sumHigh = (high + addedHigh + carryOf(low, addedLow)) | 0;
    const sumLow = (low + addedLow) | 0;
    const turnedHigh = (sumHigh << 31) | (sumLow >>> 1);
    const turnedLow = (sumLow << 31) | (sumHigh >>> 1);
    this.high = productHigh(turnedHigh, turnedLow, P1_HIGH, P1_LOW);
    this.low = Math.imul(turnedLow, P1_LOW);
  }

  #set(high: number, low: number): void {
    this.high = high >>> 0;
    this.low = low >>> 0;
  }
}

/** 1 where the sum of two low halves does not fit. */
const carryOf = (a: number, b: number): 0 | 1 => (((a + b) | 0) >>> 0 < a >>> 0 ? 1 : 0);

/** Upper half of the lower 64 bits of the product of two 64-bit numbers. */
const productHigh = (aHigh: number, aLow: number, bHigh: number, bLow: number): number => {
  const a0 = aLow & 0xffff;
  const a1 = aLow >>> 16;
  const b0 = bLow & 0xffff;
  const b1 = bLow >>> 16;
  const middle = Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16);
  const other = Math.imul(a0, b1) + (middle & 0xffff);
  const carry = Math.imul(a1, b1) + (middle >>> 16) + (other >>> 16);
  return (carry + Math.imul(aHigh, bLow) + Math.imul(aLow, bHigh)) | 0;
};

const P1_HIGH = 0x9e3779b1 | 0;
const P1_LOW = 0x85ebca87 | 0;
const P2_HIGH = 0xc2b2ae3d | 0;
const P2_LOW = 0x27d4eb4f | 0;
const P3_HIGH = 0x165667b1 | 0;
const P3_LOW = 0x9e3779f9 | 0;
const P4_HIGH = 0x85ebca77 | 0;
const P4_LOW = 0xc2b2ae63 | 0;
const P5_HIGH = 0x27d4eb2f | 0;
const P5_LOW = 0x165667c5 | 0;
const NEGATIVE_P1_HIGH = 0x61c8864e | 0;
const NEGATIVE_P1_LOW = 0x7a143579 | 0;
const LANE_TURNS = [1, 7, 12, 18] as const;

const MUL_HIGH = 0xc6a4a793 | 0;
const MUL_LOW = 0x5bd1e995 | 0;
const STD_HASH_SEED = 0xc70f6907 | 0;

const word = (bytes: Uint8Array, at: number): number =>
  bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
