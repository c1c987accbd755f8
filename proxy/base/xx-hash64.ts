// [b] xxHash64 of bytes (the public XXH64 algorithm): Envoy hashes keys, resource names and versions with it.
// BigInt arithmetic costs some microseconds for a short key; what a request is hashed by is hashed in halves (hash64.ts), and only
// when a balancer asks.
import { Hash64 } from './hash64.ts';

const MASK = 0xffffffffffffffffn;
const P1 = 11400714785074694791n;
const P2 = 14029467366897019727n;
const P3 = 1609587929392839161n;
const P4 = 9650029242287828579n;
const P5 = 2870177450012600261n;

const rotl = (value: bigint, bits: bigint): bigint =>
  ((value << bits) | (value >> (64n - bits))) & MASK;

const round = (accumulator: bigint, input: bigint): bigint =>
  (rotl((accumulator + input * P2) & MASK, 31n) * P1) & MASK;

const mergeRound = (hash: bigint, lane: bigint): bigint =>
  ((hash ^ round(0n, lane)) * P1 + P4) & MASK;

export function xxHash64(bytes: Buffer, seed = 0n): bigint {
  const length = bytes.length;
  let at = 0;
  let hash: bigint;
  if (length >= 32) {
    let v1 = (seed + P1 + P2) & MASK;
    let v2 = (seed + P2) & MASK;
    let v3 = seed;
    let v4 = (seed - P1) & MASK;
    for (; at + 32 <= length; at += 32) {
      v1 = round(v1, bytes.readBigUInt64LE(at));
      v2 = round(v2, bytes.readBigUInt64LE(at + 8));
      v3 = round(v3, bytes.readBigUInt64LE(at + 16));
      v4 = round(v4, bytes.readBigUInt64LE(at + 24));
    }
    hash = (rotl(v1, 1n) + rotl(v2, 7n) + rotl(v3, 12n) + rotl(v4, 18n)) & MASK;
    hash = mergeRound(mergeRound(mergeRound(mergeRound(hash, v1), v2), v3), v4);
  } else {
    hash = (seed + P5) & MASK;
  }
  hash = (hash + BigInt(length)) & MASK;
  for (; at + 8 <= length; at += 8) {
    hash = (rotl(hash ^ round(0n, bytes.readBigUInt64LE(at)), 27n) * P1 + P4) & MASK;
  }
  if (at + 4 <= length) {
    hash ^= (BigInt(bytes.readUInt32LE(at)) * P1) & MASK;
    hash = (rotl(hash, 23n) * P2 + P3) & MASK;
    at += 4;
  }
  for (; at < length; at++) {
    hash ^= (BigInt(bytes[at]!) * P5) & MASK;
    hash = (rotl(hash, 11n) * P1) & MASK;
  }
  hash = ((hash ^ (hash >> 33n)) * P2) & MASK;
  hash = ((hash ^ (hash >> 29n)) * P3) & MASK;
  return hash ^ (hash >> 32n);
}

const halves = new Hash64();

/** Of a wire string: one byte a character. */
export function xxHash64OfWire(text: string, seed = 0n): bigint {
  const bytes = Buffer.from(text, 'latin1');
  if (seed !== 0n) return xxHash64(bytes, seed);
  halves.xxHash64(bytes, bytes.length);
  return (BigInt(halves.high) << 32n) | BigInt(halves.low);
}

/** Of a string of ours. */
export const xxHash64OfText = (text: string): bigint => xxHash64(Buffer.from(text, 'utf8'));
