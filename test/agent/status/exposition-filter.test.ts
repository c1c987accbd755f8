// [m] ExpositionFilter: lines of an app as they stream by, cut anywhere, and lines that are made to take long.
import t from 'tap';

import { ExpositionFilter } from '../../../agent/status/exposition-filter.ts';

function filtered(page: string, size: number): { text: string; filter: ExpositionFilter } {
  const filter = new ExpositionFilter('text', 'text');
  const bytes = Buffer.from(page);
  let text = '';
  for (let at = 0; at < bytes.length; at += size)
    text += filter.push(bytes.subarray(at, at + size)).toString();
  return { text: text + filter.finish().toString(), filter };
}

t.test('ExpositionFilter', (t) => {
  t.test('says the same however its input is cut', (t) => {
    const page = '  a 1 \r\n\n\t# HELP b of ß\nb{c="ä"} 2\t\nnot one\n \r\nd 3';
    for (let size = 1; size <= page.length + 3; size++) {
      const { text, filter } = filtered(page, size);
      t.equal(text, 'a 1\n# HELP b of ß\nb{c="ä"} 2\nd 3\n', `in pieces of ${size}`);
      t.match(filter.leftOut, { count: 1, line: 5, excerpt: '"not one"' });
    }
    t.end();
  });

  // Some milliseconds; work by the square of the length would be minutes.
  for (const [what, line] of [
    ['blanks inside', (n: number) => `a${' '.repeat(n)}x`],
    ['blanks before a value', (n: number) => `a${' '.repeat(n)}1`],
    ['blanks in labels', (n: number) => `a{b${'\t'.repeat(n)}`],
    ['blanks before a comment', (n: number) => `${' '.repeat(n / 2)}# HELP${' '.repeat(n / 2)}`],
    ['a name without end', (n: number) => 'a'.repeat(n)],
    ['labels without end', (n: number) => `a{${'b="c",'.repeat(n / 6)}`],
    ['quotes', (n: number) => `a{${'"'.repeat(n)}`],
    ['quotes and commas', (n: number) => `a{${'"b",'.repeat(n / 4)} 1`],
    ['backslashes', (n: number) => `a{b="${'\\\\'.repeat(n / 2)}`],
    ['digits', (n: number) => `a ${'1'.repeat(n)}x`],
  ] as const) {
    t.test(`reads a long line of ${what} in time that grows with it`, (t) => {
      const startMs = performance.now();
      filtered(`${line(200_000)}\n`, 65_536);
      t.ok(performance.now() - startMs < 3000, `${performance.now() - startMs} ms`);
      t.end();
    });
  }

  t.test('gives up a line that never ends', (t) => {
    t.throws(() => filtered('x'.repeat(300_000), 65_536), /longer than 262144 bytes/);
    t.end();
  });

  t.end();
});
