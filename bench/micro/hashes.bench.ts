// Hashes of keys of hosts and requests: in halves of 32 bits and with BigInt. Run: node bench/micro/hashes.bench.ts
import { Hash64 } from '../../proxy/base/hash64.ts';
import { xxHash64, xxHash64OfWire } from '../../proxy/base/xx-hash64.ts';
import { bench } from './micro-bench.ts';

const hash = new Hash64();
for (const text of ['10.0.12.13:8080_123', 'a session of some forty characters, say..']) {
  const bytes = Buffer.from(text);
  bench(`xxHash64 in halves, ${bytes.length} bytes`, () => {
    hash.xxHash64(bytes, bytes.length);
    return hash.low;
  });
  bench(`murmurHash2 in halves, ${bytes.length} bytes`, () => {
    hash.murmurHash2(bytes, bytes.length);
    return hash.low;
  });
  bench(`xxHash64 with BigInt, ${bytes.length} bytes`, () => xxHash64(bytes));
  bench(`of a wire string, ${bytes.length} bytes`, () => xxHash64OfWire(text));
}
