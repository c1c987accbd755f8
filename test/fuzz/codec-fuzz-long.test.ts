// A minute of fuzzing from a seed of the day; FUZZ_SECONDS for more.
// @long @timeout 1200 s
import t from 'tap';

import { fuzzCodec, fuzzProxy } from './fuzz.ts';

const seconds = Number(process.env['FUZZ_SECONDS'] ?? '60');
/** Another one every day, the same all day long: a failure can be repeated. */
const firstSeed = Math.floor(Date.now() / 86_400_000) * 10_000_000;

t.setTimeout((seconds + 60) * 1000);

t.test(`the codec, from seed ${firstSeed}`, (t) => {
  const { rounds, failures } = fuzzCodec({ firstSeed, seconds: seconds / 2 });
  t.ok(rounds > 100, `${rounds} rounds`);
  t.same(failures, []);
  t.end();
});

t.test(`the proxy, from seed ${firstSeed}`, async (t) => {
  const { rounds, failures } = await fuzzProxy({ firstSeed, seconds: seconds / 2 });
  t.ok(rounds > 30, `${rounds} rounds`);
  t.same(failures, []);
});
