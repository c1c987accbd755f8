// textHash(): equal texts, equal hashes; texts that differ a little do not meet.
import t from 'tap';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { textHash } from '../../../proxy/base/text-hash.ts';

t.test('the same text has the same hash, of 16 digits', async (t) => {
  for (const text of ['', 'a', 'ab', 'abc', 'ü€', '{"name":"outbound|80||a.b.svc"}']) {
    t.equal(textHash(text), textHash(`${text}x`.slice(0, -1)));
    t.match(textHash(text), /^[0-9a-f]{16}$/);
  }
});

t.test('lengths, order and each bit of each unit count', async (t) => {
  const seen = new Map<string, string>();
  const add = (text: string): void => {
    const hash = textHash(text);
    const other = seen.get(hash);
    if (other !== undefined && other !== text) t.fail(`${other} and ${text} have the same hash`);
    seen.set(hash, text);
  };
  for (let length = 0; length < 64; length++) add('\0'.repeat(length));
  const base = '{"name":"outbound|9080||reviews.default.svc.cluster.local"}';
  for (let at = 0; at < base.length; at++) {
    for (let bit = 0; bit < 16; bit++) {
      const unit = String.fromCharCode(base.charCodeAt(at) ^ (1 << bit));
      add(base.slice(0, at) + unit + base.slice(at + 1));
    }
    if (at > 0) add(base.slice(0, at - 1) + base[at]! + base[at - 1]! + base.slice(at + 1));
  }
  t.ok(seen.size > base.length * 16);
});

t.test(
  'both halves are good by themselves: texts that count spread over each as by chance',
  async (t) => {
    const random = new SeededRandom(1);
    for (const half of [0, 8]) {
      const buckets = new Uint32Array(256);
      for (let i = 0; i < 25_600; i++) {
        const text = `service-${i}.${random.nextUint32() % 7}`;
        buckets[Number.parseInt(textHash(text).slice(half + 6, half + 8), 16)]!++;
      }
      // 100 each; six standard deviations.
      t.ok(buckets.every((count) => count > 40 && count < 160));
    }
  },
);
