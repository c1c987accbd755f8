// What `npm run split` makes of its answers.
import t from 'tap';

import { percentileMs, splitText } from '../../samples/split-table.ts';
import type { Answered } from '../../samples/split-table.ts';

const answers = (version: string | undefined, count: number, status = 200): Answered[] =>
  Array.from({ length: count }, (_, i) => ({ status, version, elapsedMs: i + 1 }));

t.test('splitText', async (t) => {
  await t.test('shows count and share of each version', async (t) => {
    const text = splitText([...answers('v3', 20), ...answers('v1', 80)]);
    const lines = text.split('\n');
    t.match(lines[0], /^ {2}v1 +80 +80\.0 % +█{32} {8}/);
    t.match(lines[1], /^ {2}v3 +20 +20\.0 % +█{8} /);
    t.match(text, 'reviews answered 100 × 200');
  });

  await t.test('tells statuses, and answers without a version', async (t) => {
    const text = splitText([
      ...answers(undefined, 3, 504),
      ...answers(undefined, 1, 0),
      ...answers('v2', 1),
    ]);
    t.match(text, /none +4 +80\.0 %/);
    t.match(text, '1 × no answer, 1 × 200, 3 × 504');
  });

  await t.test('prints nothing that a terminal obeys', async (t) => {
    t.notMatch(splitText(answers('\u001b[2J', 1)), '\u001b');
  });
});

t.test('percentileMs', async (t) => {
  for (const [count, part, want] of [
    [100, 0.5, 50],
    [100, 0.99, 99],
    [1, 0.99, 1],
    [3, 0.5, 2],
  ] as const) {
    t.equal(percentileMs(answers('v1', count), part), want, `${part} of ${count}`);
  }
});
