// ProblemWatch: what a person is told of the control plane's log.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ProblemWatch } from '../../../samples/local-mesh/problem-watch.ts';
import { eventually } from '../../support/eventually.ts';

const line = (level: string, words: string): string =>
  `2026-01-01T00:00:00.000Z\t${level}\tads\t${words}\n`;

t.test('ProblemWatch', async (t) => {
  await t.test('tells errors, warnings and their end, each once, and nothing else', async (t) => {
    const logFile = join(t.testdir(), 'control-plane.log');
    const told: string[] = [];
    const watch = new ProblemWatch(logFile, (words) => told.push(words));
    t.teardown(() => watch.close());
    const first = line('error', 'error: a.yaml: document 1, line 2: is no — number');
    appendFileSync(logFile, line('info', 'ADS: route push to x') + first.slice(0, 70));
    appendFileSync(logFile, first.slice(70));
    await eventually('the error', () => told.length === 1);
    appendFileSync(logFile, line('info', '1 earlier problem is gone'));
    await eventually('its end', () => told.length === 2);
    appendFileSync(logFile, line('warning', 'warning: a.yaml: no such subset'));
    await eventually('the warning', () => told.length === 3);
    t.same(told, [
      'a.yaml: document 1, line 2: is no — number',
      '1 earlier problem is gone',
      'warning: a.yaml: no such subset',
    ]);
  });
});
