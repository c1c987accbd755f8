// Hashes in two halves: as the BigInt xxHash64, and as MurmurHash64A was published. (Against Envoy: hashing-beside-envoy.test.ts.)
import t from 'tap';

import { Hash64 } from '../../../proxy/base/hash64.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { xxHash64 } from '../../../proxy/base/xx-hash64.ts';

const hash = new Hash64();
const value = (): bigint => (BigInt(hash.high) << 32n) | BigInt(hash.low);

t.test('Hash64', (t) => {
  t.test('xxHash64 is that of BigInt, at every length and with seeds', (t) => {
    const random = new SeededRandom(7);
    for (let round = 0; round < 600; round++) {
      const bytes = Buffer.from(
        Array.from({ length: round % 100 }, () => random.nextUint32() & 255),
      );
      const seed = round % 3 === 0 ? 0 : random.nextUint32();
      hash.xxHash64(bytes, bytes.length, seed);
      if (value() !== xxHash64(bytes, BigInt(seed)))
        t.fail(`length ${bytes.length}, seed ${seed}: ${value()}`);
    }
    t.pass('600 inputs');
    t.end();
  });

  t.test('murmur is the published algorithm, at every length', (t) => {
    const random = new SeededRandom(9);
    for (let length = 0; length < 80; length++) {
      const bytes = Buffer.from(Array.from({ length }, () => random.nextUint32() & 255));
      hash.murmurHash2(bytes, length);
      t.equal(value(), reference(bytes), String(length));
    }
    t.end();
  });
  t.end();
});

/** MurmurHash64A in BigInt, as its author published it, with std::hash's seed. */
function reference(bytes: Buffer): bigint {
  const mask = (1n << 64n) - 1n;
  const multiplier = 0xc6a4a7935bd1e995n;
  const mix = (each: bigint): bigint => each ^ (each >> 47n);
  let result = 0xc70f6907n ^ ((BigInt(bytes.length) * multiplier) & mask);
  let at = 0;
  for (; at + 8 <= bytes.length; at += 8) {
    const word = (mix((bytes.readBigUInt64LE(at) * multiplier) & mask) * multiplier) & mask;
    result = ((result ^ word) * multiplier) & mask;
  }
  if (at < bytes.length) {
    let rest = 0n;
    for (let i = bytes.length - 1; i >= at; i--) rest = (rest << 8n) | BigInt(bytes[i]!);
    result = ((result ^ rest) * multiplier) & mask;
  }
  return mix((mix(result) * multiplier) & mask);
}
