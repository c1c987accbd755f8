// Runtime values: integers, percentages, fractions.
import t from 'tap';
import { Runtime } from '../../../proxy/base/runtime.ts';

const runtime = new Runtime(
  new Map([
    ['whole', '7'],
    ['part', '7.9'],
    ['negative', '-7'],
    ['text', 'abc'],
    ['flag', 'true'],
    ['fraction', '{"numerator":5,"denominator":"TEN_THOUSAND"}'],
    ['hundredths', '{"numerator":5}'],
    ['broken', '{"numerator":'],
    ['percent', '30'],
    ['always', '1000'],
  ]),
);

t.test('Runtime', async (t) => {
  t.test('gives integers, or what was meant without them', async (t) => {
    const rows: [string, number][] = [
      ['whole', 7],
      ['part', 7],
      ['negative', 1],
      ['text', 1],
      ['flag', 1],
      ['fraction', 1],
      ['none', 1],
      ['', 1],
    ];
    for (const [key, expected] of rows) t.equal(runtime.integer(key, 1), expected, key);
  });

  t.test('gives flags', async (t) => {
    const rows: [string, boolean, boolean][] = [
      ['flag', false, true],
      ['text', true, true],
      ['none', true, true],
      ['none', false, false],
      ['', false, false],
    ];
    for (const [key, fallback, expected] of rows)
      t.equal(runtime.flag(key, fallback), expected, `${key} ${fallback}`);
  });

  t.test('decides by fraction', async (t) => {
    const never = { numerator: 0, denominator: 100 };
    const all = { numerator: 100, denominator: 100 };
    const rows: [string, number, boolean][] = [
      ['percent', 29, true],
      ['percent', 30, false],
      ['percent', 129, true],
      ['always', 99, true],
      ['fraction', 10_004, true],
      ['fraction', 104, false],
      ['hundredths', 104, true],
      ['broken', 0, false],
      ['none', 0, false],
    ];
    for (const [key, random, expected] of rows)
      t.equal(runtime.holds(key, never, random), expected, `${key} ${random}`);
    t.equal(runtime.holds('', all, 5), true, 'no key');
    t.equal(Runtime.EMPTY.holds('percent', all, 99), true);
  });
});
