// Pieces of an answer, found in order whatever way the bytes are cut.
import t from 'tap';
import { PayloadMatcher } from '../../../proxy/upstream/health-payload.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

const rows: readonly [pieces: readonly string[], answer: string, matched: boolean][] = [
  [[], '', true],
  [['a'], 'xxaxx', true],
  [['ab', 'cd'], '-ab--cd-', true],
  [['ab', 'cd'], '-cd--ab-', false],
  [['ab', 'ab'], 'ab', false],
  [['ab', 'bc'], 'abc', false],
  [['aab'], 'aaab', true],
  [['abab', 'b'], 'ababab', true],
  [['abab', 'abab'], 'ababab', false],
];

t.test('PayloadMatcher', (t) => {
  for (const [pieces, answer, matched] of rows) {
    t.test(`${JSON.stringify(pieces)} in ${answer}`, (t) => {
      const matcher = new PayloadMatcher(pieces.map(bytes));
      for (let cut = 0; cut <= answer.length; cut++) {
        matcher.reset();
        matcher.feed(bytes(answer.slice(0, cut)));
        matcher.feed(bytes(answer.slice(cut)));
        t.equal(matcher.matched, matched, `cut at ${cut}`);
      }
      matcher.reset();
      for (const byte of answer) matcher.feed(bytes(byte));
      t.equal(matcher.matched, matched, 'byte by byte');
      t.end();
    });
  }
  t.end();
});
