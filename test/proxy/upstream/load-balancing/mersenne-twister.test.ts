// MT19937: values that the C++ standard and its authors give.
import t from 'tap';

import { MersenneTwister } from '../../../../proxy/upstream/load-balancing/mersenne-twister.ts';

t.test('the Mersenne Twister', (t) => {
  const standard = new MersenneTwister(5489);
  t.equal(standard.nextUint32(), 3499211612);
  let last = 0;
  for (let i = 1; i < 10_000; i++) last = standard.nextUint32();
  // [rand.predef]: the 10000th consecutive invocation.
  t.equal(last, 4123659995);
  t.equal(new MersenneTwister(1).nextUint32(), 1791095845);
  t.end();
});
