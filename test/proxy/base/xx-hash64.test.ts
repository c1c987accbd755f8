// xxHash64 against published values, over each length class of the algorithm.
import t from 'tap';
import { xxHash64OfText } from '../../../proxy/base/xx-hash64.ts';

t.test('xxHash64', (t) => {
  const known: readonly (readonly [text: string, hash: string])[] = [
    ['', 'ef46db3751d8e999'],
    ['a', 'd24ec4f1a98c6e5b'],
    ['abc', '44bc2cf5ad770999'],
    ['Nobody inspects the spammish repetition', 'fbcea83c8a378bf1'],
  ];
  for (const [text, hash] of known)
    t.equal(xxHash64OfText(text).toString(16), hash, JSON.stringify(text));
  t.end();
});
