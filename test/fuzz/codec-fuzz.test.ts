// Kept inputs and some thousand rounds of fuzzing; codec-fuzz-long.test.ts runs for a minute, run.ts as long as one likes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { checkBytes, checkSeed } from './codec-properties.ts';
import { fuzzCodec, fuzzProxy } from './fuzz.ts';
import type { Kind } from './our-reading.ts';
import { readStrictly } from './strict-reader.ts';

const kept = JSON.parse(readFileSync(join(import.meta.dirname, 'kept.json'), 'utf8')) as {
  readonly seeds: readonly number[];
  readonly inputs: readonly { readonly kind: Kind; readonly why: string; readonly bytes: string }[];
};

t.test('kept inputs', (t) => {
  for (const seed of kept.seeds) t.equal(checkSeed(seed), undefined, `seed ${seed}`);
  for (const { kind, why, bytes } of kept.inputs)
    t.equal(checkBytes(kind, bytes, 1), undefined, why);
  t.end();
});

t.test('the strict reader itself', (t) => {
  t.match(readStrictly('request', 'GET / HTTP/1.1\r\nhost: h\r\n\r\n'), { clean: true });
  t.match(readStrictly('request', 'GET / HTTP/1.1\r\nhost: h\r\n\r\nGET'), {
    clean: false,
    messages: [{}],
  });
  t.match(readStrictly('request', 'GET / HTTP/1.1\r\nhost: h\r\na : b\r\n\r\n'), { clean: false });
  t.match(readStrictly('response', 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab'), {
    clean: false,
  });
  t.end();
});

t.test('random messages, damaged and whole', (t) => {
  const { rounds, failures } = fuzzCodec({ firstSeed: 1_000_000, seconds: 3, rounds: 2000 });
  t.ok(rounds > 100, `${rounds} rounds`);
  t.same(failures, []);
  t.end();
});

t.test('random pipelines through the proxy', async (t) => {
  const { rounds, failures } = await fuzzProxy({ firstSeed: 2_000_000, seconds: 3, rounds: 256 });
  t.ok(rounds >= 32, `${rounds} rounds`);
  t.same(failures, []);
});
