// MoveWatch: files that are moved to their place are seen, files written in place are not, unless what was there was not whole.
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';

import { realTime } from '../../../proxy/base/clock.ts';
import { MoveWatch } from '../../../proxy/base/move-watch.ts';
import { eventually } from '../../support/eventually.ts';
import { privateDir } from '../../support/private-dir.ts';

function watched(t: Test, path: string, watchedDirectory = '') {
  const seen = { moves: 0 };
  const watch = new MoveWatch({ path, watchedDirectory }, realTime, () => void seen.moves++);
  t.teardown(() => watch.close());
  return { watch, seen };
}

function moveTo(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

t.test('a file that is moved into place is seen, one that is written is not', async (t) => {
  const path = join(privateDir(t), 'f.json');
  writeFileSync(path, 'one');
  const { watch, seen } = watched(t, path);
  writeFileSync(path, 'in place');
  moveTo(path, 'two');
  await eventually('the move', () => seen.moves > 0);
  t.equal(seen.moves, 1);
  watch.unfinished = true;
  writeFileSync(path, 'the rest of it');
  await eventually('what was not whole is looked at again', () => seen.moves === 2);
});

t.test('whatever is moved into a watched directory means a change', async (t) => {
  const dir = privateDir(t);
  const path = join(dir, 'f.json');
  writeFileSync(path, 'one');
  mkdirSync(join(dir, 'watched'));
  const { seen } = watched(t, path, join(dir, 'watched'));
  moveTo(join(dir, 'watched', 'other'), 'anything');
  await eventually('the move', () => seen.moves > 0);
});

t.test('a folder swapped by a symbolic link, as Kubernetes does', async (t) => {
  const dir = privateDir(t);
  for (const [name, text] of [
    ['a', 'one'],
    ['b', 'two'],
  ] as const) {
    mkdirSync(join(dir, name));
    writeFileSync(join(dir, name, 'f.json'), text);
  }
  symlinkSync('a', join(dir, '..data'));
  symlinkSync('..data/f.json', join(dir, 'f.json'));
  const { seen } = watched(t, join(dir, 'f.json'), dir);
  symlinkSync('b', join(dir, '..new'));
  renameSync(join(dir, '..new'), join(dir, '..data'));
  rmSync(join(dir, 'a'), { recursive: true });
  await eventually('the swap', () => seen.moves > 0);
});
