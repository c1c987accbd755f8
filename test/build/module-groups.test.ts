// Modules by the programs that need them: what a program loads later must not bring another program's code along.
import t from 'tap';
import { groupModules } from '../../build/module-groups.ts';

interface Row {
  readonly name: string;
  /** What each module imports. */
  readonly imports: Readonly<Record<string, readonly string[]>>;
  /** What each may load later. */
  readonly parts?: Readonly<Record<string, readonly string[]>>;
  /** Of those that are no small ones. */
  readonly large?: readonly string[];
  /** Too large to be joined with others. */
  readonly huge?: readonly string[];
  readonly groups: Readonly<Record<string, string>>;
}

const ROWS: readonly Row[] = [
  {
    name: 'what both programs need is one file, and what one needs another',
    imports: { main: ['both', 'own'], worker: ['both'] },
    groups: { both: 'main worker', own: 'main' },
  },
  {
    name: 'a part that all load later leaves what they have anyway where it is',
    imports: { main: ['both'], worker: ['both'], part: ['both'] },
    parts: { both: ['part'] },
    groups: { both: 'main worker' },
  },
  {
    name: 'what main needs and a part of workers, too, stands apart from the rest of main',
    imports: { main: ['codec', 'own'], worker: ['pool'], part: ['codec'], codec: ['frames'] },
    parts: { pool: ['part'] },
    large: ['codec', 'frames'],
    groups: { codec: 'main part', frames: 'main part', own: 'main', pool: 'worker' },
  },
  {
    name: 'what the same programs load by different parts is one file, if it is not large',
    imports: { main: ['a', 'b'], worker: ['pool'], x: ['a'], y: ['b'] },
    parts: { pool: ['x', 'y'] },
    large: ['a', 'b'],
    groups: { a: 'main x', b: 'main x', pool: 'worker' },
  },
  {
    name: 'but not where it would need itself by way of another',
    imports: {
      main: ['a'],
      worker: ['pool'],
      x: ['a'],
      y: ['g'],
      z: ['j'],
      a: ['g'],
      g: ['j'],
    },
    parts: { pool: ['x', 'y', 'z'] },
    large: ['a', 'j'],
    huge: ['g'],
    groups: { a: 'main x', g: 'main x y', j: 'main x y z', pool: 'worker' },
  },
  {
    name: 'two parts that load much get different files',
    imports: { main: ['codec', 'logs'], worker: ['pool'], a: ['codec'], b: ['codec', 'logs'] },
    parts: { pool: ['a', 'b'] },
    huge: ['codec', 'logs'],
    groups: { codec: 'main a b', logs: 'main b', pool: 'worker' },
  },
  {
    name: 'a part of main alone tears nothing off that only main needs',
    imports: { main: ['own', 'admin'], worker: ['pool'], part: ['own'] },
    parts: { admin: ['part'] },
    large: ['own'],
    groups: { own: 'main', admin: 'main', pool: 'worker' },
  },
  {
    name: 'what a part of a part needs counts as well',
    imports: { main: ['codec'], worker: ['pool'], a: [], b: ['codec'] },
    parts: { pool: ['a'], a: ['b'] },
    large: ['codec'],
    groups: { codec: 'main b', pool: 'worker' },
  },
  {
    name: 'small ones that lean on nothing but what all have are given to all',
    imports: {
      main: ['flags', 'both'],
      worker: ['pool', 'both'],
      part: ['flags'],
      flags: ['both'],
    },
    parts: { pool: ['part'] },
    groups: { flags: 'main worker', both: 'main worker', pool: 'worker' },
  },
  {
    name: 'one that leans on such a one follows it, and one that leans on a package, too',
    imports: { main: ['a', 'b'], worker: ['pool'], x: ['a', 'b'], y: ['b'], a: ['b', 'node:fs'] },
    parts: { pool: ['x', 'y'] },
    groups: { a: 'main worker', b: 'main worker', pool: 'worker' },
  },
  {
    name: 'small ones that lean on what one program has stay apart',
    imports: { main: ['flags'], worker: ['pool'], part: ['flags'], flags: ['large'] },
    parts: { pool: ['part'] },
    large: ['large', 'flags'],
    groups: { flags: 'main part', large: 'main part', pool: 'worker' },
  },
];

for (const { name, imports, parts = {}, large = [], huge = [], groups } of ROWS) {
  t.test(name, (t) => {
    const found = groupModules(['main', 'worker'], new Map(Object.entries(parts)), {
      imports: (id) => imports[id] ?? [],
      size: (id) => (huge.includes(id) ? 100_000 : large.includes(id) ? 10_000 : 10),
    });
    for (const [id, group] of Object.entries(groups)) t.equal(found.get(id), group, id);
    t.end();
  });
}
