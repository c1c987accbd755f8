// [b] A hash of 64 bits of a text, to tell whether two are the same: MurmurHash3 (the one of 32 bits) of its UTF-16 units two at a time, in two
// lanes with multipliers of their own. A thousand clusters at a start take 10 ms; xxHash64 in halves (hash64.ts) takes four times as long.

const LANE_A = { first: 0xcc9e2d51 | 0, second: 0x1b873593, seed: 0x2c1b3c6d } as const;
const LANE_B = { first: 0x239b961b, second: 0xab0e9789 | 0, seed: 0x297a2d39 } as const;

/** 16 hexadecimal digits. */
export function textHash(text: string): string {
  const { length } = text;
  let a: number = LANE_A.seed;
  let b: number = LANE_B.seed;
  for (let i = 0; i < length; i += 2) {
    const units = text.charCodeAt(i) | (i + 1 < length ? text.charCodeAt(i + 1) << 16 : 0);
    const ofA = Math.imul(units, LANE_A.first);
    a ^= Math.imul((ofA << 15) | (ofA >>> 17), LANE_A.second);
    a = (Math.imul((a << 13) | (a >>> 19), 5) + 0xe6546b64) | 0;
    const ofB = Math.imul(units, LANE_B.first);
    b ^= Math.imul((ofB << 16) | (ofB >>> 16), LANE_B.second);
    b = (Math.imul((b << 17) | (b >>> 15), 5) + 0x561ccd1b) | 0;
  }
  return hex(finished(a ^ length)) + hex(finished(b ^ length));
}

function finished(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

const hex = (word: number): string => word.toString(16).padStart(8, '0');
