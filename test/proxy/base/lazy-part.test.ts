// Each lazy part names one file twice, as a type and as text: they must be the same file, and nothing may load it anyway.
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import t from 'tap';
import { lazyPart } from '../../../proxy/base/lazy-part.ts';

const ROOT = join(import.meta.dirname, '../../..');
const PART = /\blazyPart<typeof import\('([^']+)'\)>\(\s*'([^']+)'/g;
const IMPORT = /^import (type )?[^;'"]*?from '(\.[^']+)';$/gm;

t.test('lazyPart', (t) => {
  t.test('gives the very module that an import gives, at once', async (t) => {
    const part = lazyPart<typeof import('../../../proxy/base/hash64.ts')>('base/hash64');
    t.equal(part().Hash64, (await import('../../../proxy/base/hash64.ts')).Hash64);
    t.equal(part(), part());
  });

  t.test('loads when all descriptors are used up, again and again', (t) => {
    const program = [
      "import { openSync } from 'node:fs';",
      `import { lazyPart, loadPartsFrom } from '${join(ROOT, 'proxy/base/lazy-part.ts')}';`,
      `loadPartsFrom(new URL('file://${ROOT}/proxy/'), '.ts');`,
      "let code = '';",
      "const fill = () => { try { for (;;) openSync('/dev/null'); } catch (error) { code = error.code; } };",
      'fill();',
      "const names = [Object.keys(lazyPart('base/hash64')())];",
      'fill();',
      "names.push(Object.keys(lazyPart('base/xx-hash64')()));",
      'console.log(code, JSON.stringify(names));',
    ].join('\n');
    const words = [
      '-c',
      'ulimit -n 64; exec "$0" --input-type=module -e "$1"',
      process.execPath,
      program,
    ];
    const said = execFileSync('sh', words, { encoding: 'utf8' });
    t.match(said, /^EMFILE \[\["Hash64"[^\]]*\],\["/);
    t.end();
  });

  t.test('throws for a file that is not there', (t) => {
    t.throws(lazyPart('base/nothing-of-this-name'), /nothing-of-this-name/);
    t.end();
  });
  t.end();
});

t.test('Lazy parts of the tree', (t) => {
  const sources = new Map(
    globSync('proxy/**/*.ts', { cwd: ROOT })
      .filter((path) => path !== 'proxy/base/lazy-part.ts')
      .map((path) => [path, readFileSync(join(ROOT, path), 'utf8')]),
  );
  const partsOf = new Map<string, string[]>();
  const odd: string[] = [];
  for (const [path, text] of sources) {
    const parts: string[] = [];
    for (const [, type = '', name = ''] of text.matchAll(PART)) {
      const file = posix.join(posix.dirname(path), type);
      t.equal(file, `proxy/${name}.ts`, `${path} names ${name}`);
      t.ok(sources.has(file), file);
      parts.push(file);
    }
    if (text.split('lazyPart<').length - 1 !== parts.length) odd.push(path);
    partsOf.set(path, parts);
  }
  t.strictSame(odd, [], 'all are of the form that the build looks for');
  t.ok([...partsOf.values()].flat().length > 0);
  const importsOf = (path: string): readonly string[] =>
    [...(sources.get(path) ?? '').matchAll(IMPORT)]
      .filter(([, type]) => type === undefined)
      .map(([, , target = '']) => posix.join(posix.dirname(path), target));
  // A part may import another, whoever loads it loads both; a program that may load a part later must not load it at its start.
  for (const entry of ['proxy/main.ts', 'proxy/server/worker.ts']) {
    const atStart = reached(entry, importsOf);
    const everAfter = reached(entry, (path) => [...importsOf(path), ...(partsOf.get(path) ?? [])]);
    const early = [...everAfter.keys()]
      .flatMap((path) => partsOf.get(path) ?? [])
      .filter((part) => atStart.has(part))
      .map((part) => `${part} by ${atStart.get(part)}`);
    t.strictSame([...new Set(early)], [], `${entry} loads no part at its start`);
  }
  t.end();
});

/** What is loaded with a file, each with who loads it. */
function reached(
  entry: string,
  loads: (path: string) => readonly string[],
): ReadonlyMap<string, string> {
  const seen = new Map([[entry, '']]);
  for (const [path] of seen)
    for (const other of loads(path)) if (!seen.has(other)) seen.set(other, path);
  return seen;
}
