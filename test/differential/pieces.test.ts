// Every case of every file against ours, its client's bytes whole, byte by byte and cut at random: the outcome must be the same.
// @long @timeout 1800 s
import t from 'tap';

import { allSuites } from './differences-page.ts';
import { playPatiently, report } from './differential.ts';

t.setTimeout(1_800_000);

for (const suite of await allSuites()) {
  await t.test(`${suite.title}, in pieces`, async (t) => {
    report(t, await playPatiently(suite, { envoy: undefined, cuts: true }));
  });
}
