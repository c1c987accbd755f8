// KeptBytes: what waits comes out as it came in, whatever the pieces were, and small pieces share memory.
import t from 'tap';

import { SeededRandom } from '../../../proxy/base/random.ts';
import { KeptBytes } from '../../../proxy/base/kept-bytes.ts';

const whole = (kept: KeptBytes): string => Buffer.concat(kept.chunks).toString('latin1');

t.test('single bytes by the hundred thousand share memory', (t) => {
  const kept = new KeptBytes();
  const byte = Buffer.alloc(1);
  let expected = '';
  for (let i = 0; i < 100_000; i++) {
    byte[0] = 97 + (i % 26);
    kept.add(byte);
    expected += String.fromCharCode(byte[0]);
  }
  t.equal(kept.byteCount, 100_000);
  t.ok(kept.chunks.length < 30, `${kept.chunks.length} objects`);
  t.equal(whole(kept), expected);
  t.end();
});

t.test('pieces of all sizes, in any order, while the front is taken', (t) => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new SeededRandom(seed);
    const kept = new KeptBytes();
    const view = Buffer.alloc(5000);
    let expected = '';
    let taken = '';
    let next = 0;
    for (let step = 0; step < 100; step++) {
      if (random.next() < 0.6) {
        const length = Math.floor(random.next() ** 4 * 5000);
        for (let i = 0; i < length; i++) view[i] = next++ % 251;
        const chunk = view.subarray(0, length);
        expected += chunk.toString('latin1');
        kept.add(chunk);
        view.fill(0);
      } else if (kept.chunks.length > 0) {
        const first = kept.chunks[0]!;
        const length = Math.ceil(random.next() * first.length);
        taken += first.toString('latin1', 0, length);
        if (length === first.length) kept.chunks.shift();
        else kept.chunks[0] = first.subarray(length);
        kept.byteCount -= length;
      }
      if (taken.length + kept.byteCount !== expected.length) t.fail(`seed ${seed}, step ${step}`);
    }
    if (taken + whole(kept) !== expected) t.fail(`seed ${seed}`);
  }
  t.pass('nothing lost, doubled or changed');
  t.end();
});
