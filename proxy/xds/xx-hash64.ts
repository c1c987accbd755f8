// [m] xxHash64 with seed 0 (the public XXH64 algorithm): what Envoy shows as `version` of a subscription and what
// names an unchanged resource. Off the data path: BigInt is fast enough here.

const MASK = 0xffffffffffffffffn;
const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;

const rotl = (value: bigint, bits: bigint): bigint =>
  ((value << bits) | (value >> (64n - bits))) & MASK;
const round = (acc: bigint, lane: bigint): bigint =>
  (rotl((acc + lane * P2) & MASK, 31n) * P1) & MASK;
const mergeRound = (acc: bigint, lane: bigint): bigint =>
  ((acc ^ round(0n, lane)) * P1 + P4) & MASK;

function avalanche(hash: bigint): bigint {
  let h = ((hash ^ (hash >> 33n)) * P2) & MASK;
  h = ((h ^ (h >> 29n)) * P3) & MASK;
  return h ^ (h >> 32n);
}

export function xxHash64(text: string): bigint {
  const input = Buffer.from(text, 'utf8');
  const length = input.length;
  let at = 0;
  let hash: bigint;
  if (length >= 32) {
    let v1 = (P1 + P2) & MASK;
    let v2 = P2;
    let v3 = 0n;
    let v4 = -P1 & MASK;
    for (; at <= length - 32; at += 32) {
      v1 = round(v1, input.readBigUInt64LE(at));
      v2 = round(v2, input.readBigUInt64LE(at + 8));
      v3 = round(v3, input.readBigUInt64LE(at + 16));
      v4 = round(v4, input.readBigUInt64LE(at + 24));
    }
    hash = (rotl(v1, 1n) + rotl(v2, 7n) + rotl(v3, 12n) + rotl(v4, 18n)) & MASK;
    for (const lane of [v1, v2, v3, v4]) hash = mergeRound(hash, lane);
  } else {
    hash = P5;
  }
  hash = (hash + BigInt(length)) & MASK;
  for (; at + 8 <= length; at += 8) {
    hash = (rotl(hash ^ round(0n, input.readBigUInt64LE(at)), 27n) * P1 + P4) & MASK;
  }
  if (at + 4 <= length) {
    hash = (rotl(hash ^ ((BigInt(input.readUInt32LE(at)) * P1) & MASK), 23n) * P2 + P3) & MASK;
    at += 4;
  }
  for (; at < length; at++)
    hash = (rotl(hash ^ ((BigInt(input[at]!) * P5) & MASK), 11n) * P1) & MASK;
  return avalanche(hash);
}
