// What case files call. Run as a program, a case file is a tap test; imported (run.ts, the page of differences), it only hands over its rows.
import { join, relative } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import type { Test } from 'tap';

import { findEnvoy } from '../../bench/load/find-program.ts';
import { bothSides, failures, statements } from './judge.ts';
import { play } from './play.ts';
import type { Played } from './play.ts';
import type { Row, Suite, SuiteOptions } from './row.ts';

const ROOT = join(import.meta.dirname, '../..');

export const envoyPath = (): string | undefined => findEnvoy(undefined, ROOT, process.env);

/** `url`: the file's `import.meta.url`. Give it away as `export const suite`. */
export async function differential(
  url: string,
  options: SuiteOptions,
  rows: readonly Row[],
): Promise<Suite> {
  const path = fileURLToPath(url);
  const title = relative(join(import.meta.dirname, 'cases'), path).replace('.test.ts', '');
  const names = new Set(rows.map((row) => row.name));
  if (names.size !== rows.length) throw new Error(`${title}: two rows have the same name`);
  const suite = { title, options, rows };
  if (process.argv[1] === path) await test(suite);
  return suite;
}

/** A case that fails is looked at again, alone and with more patience: machines are slow at times. */
export async function playPatiently(
  suite: Suite,
  how: { readonly envoy: string | undefined; readonly cuts: boolean },
): Promise<Played[]> {
  const played = await play(suite, { ...how, patience: 1 });
  for (const patience of [2, 4]) {
    const again = played.filter((each) => failures(each).length > 0);
    if (again.length === 0) break;
    const rows = again.map(({ row }) => row);
    const second = await play({ ...suite, rows }, { ...how, patience });
    for (const [i, each] of second.entries()) played[played.indexOf(again[i]!)] = each;
  }
  return played;
}

async function test(suite: Suite): Promise<void> {
  const { default: t } = await import('tap');
  const envoy = envoyPath();
  await t.test(suite.title, async (t) => {
    // In pieces: pieces.test.ts.
    report(t, await playPatiently(suite, { envoy, cuts: false }));
  });
  if (envoy === undefined)
    t.test('compares with Envoy', { skip: 'no Envoy found: set ENVOY_BIN' }, () => {});
}

/** One subtest a row, one assertion a statement. */
export function report(t: Test, played: readonly Played[]): void {
  for (const each of played) {
    t.test(each.row.name, (t) => {
      for (const statement of statements(each)) {
        const { text, holds } = statement;
        if (holds) t.pass(text);
        else t.fail(text, { sides: bothSides(each.ours, statement).split('\n') });
      }
      t.end();
    });
  }
}
