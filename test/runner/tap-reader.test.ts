// The counts of `npm test` must be true: TAP texts as tap 21 prints them, and what is counted in each.
import t from 'tap';
import { TapReader } from './tap-reader.ts';
import type { TapResult } from './tap-reader.ts';

function read(text: string): TapResult {
  const reader = new TapReader();
  for (const line of text.split('\n')) reader.line(line);
  return reader.result();
}

const NESTED = `TAP version 14
# Subtest: outer
    ok 1 - should be equal
    not ok 2 - one is two
      ---
      compare: ===
      diff: |
        --- expected
        +++ actual
        ok 7 - is part of the diff
      ...
    
    # Subtest: inner
        ok 1 - should be equal
        ok 2 - should be equal
        1..2
    ok 3 - inner # time=2.018ms
    
    ok 4 - namespaces # SKIP no root
    ok 5 - later # TODO
    1..5
not ok 1 - outer # time=26.756ms
  ---
  at:
    fileName: a.test.ts
  ...

ok 2 - bare
1..2
# { total: 7, pass: 4, fail: 1 }
`;

t.test('TapReader', (t) => {
  t.test('counts leaves, not the lines that sum up a subtest', (t) => {
    const result = read(NESTED);
    t.equal(result.passed, 4);
    t.strictSame(
      result.failed.map(({ path }) => path),
      [['outer', 'one is two']],
    );
    t.strictSame(result.failed[0]!.diagnostic.slice(0, 2), ['compare: ===', 'diff: |']);
    t.equal(result.problem, undefined);
    t.end();
  });

  t.test('keeps the reason of what was skipped', (t) => {
    t.strictSame(read(NESTED).skipped, [
      { path: ['outer', 'namespaces'], reason: 'no root' },
      { path: ['outer', 'later'], reason: 'no reason (todo)' },
    ]);
    const whole = read('TAP version 14\n1..0 # needs root\n');
    t.strictSame(whole.skipped, [{ path: ['the whole file'], reason: 'needs root' }]);
    t.equal(whole.problem, undefined);
    t.end();
  });

  t.test('counts a subtest that failed by itself', (t) => {
    const result = read('# Subtest: a\n    ok 1 - fine\n    1..1\nnot ok 1 - a\n1..1\n');
    t.equal(result.passed, 1);
    t.strictSame(
      result.failed.map(({ path }) => path),
      [['a']],
    );
    t.end();
  });

  t.test('counts a todo subtest once, as not tested', (t) => {
    const result = read(
      '# Subtest: a\n    not ok 1 - x\n    1..1\nnot ok 1 - a # TODO later\n1..1\n',
    );
    t.strictSame([result.passed, result.failed.length, result.skipped.length], [0, 0, 1]);
    t.end();
  });

  const broken: readonly [why: string, text: string, problem: RegExp][] = [
    ['nothing', '', /holds no test/],
    ['no test', 'TAP version 14\n1..0\n# nothing\n', /holds no test/],
    ['a crash before the plan', 'ok 1 - a\n', /ended before its plan/],
    ['fewer tests than planned', '1..2\nok 1 - a\n', /planned 2 tests and ran 1/],
    ['more tests than planned', 'ok 1 - a\nok 2 - b\n1..1\n', /planned 1 tests and ran 2/],
    ['an open subtest', 'ok 1 - a\n1..1\n# Subtest: b\n    ok 1 - c\n', /inside a subtest/],
    ['a bail out', 'ok 1 - a\nBail out! no disk\n1..1\n', /no disk/],
  ];
  for (const [why, text, problem] of broken) {
    t.test(`does not trust ${why}`, (t) => {
      t.match(read(text).problem, problem);
      t.end();
    });
  }
  t.end();
});
