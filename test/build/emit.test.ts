// The bundle: what is loaded only when asked for is a file of its own, and leaves what is loaded anyway in few files; a stack trace can be read.
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { bundle, lazyParts } from '../../build/emit.ts';
import { readablePlaces } from '../../proxy/base/readable-stack.ts';

const ROOT = join(import.meta.dirname, '../..');

t.test('The bundle of this tree', async (t) => {
  const out = t.testdir();
  await bundle(ROOT, out);
  const parts = lazyParts(ROOT);

  t.test('has a file for each lazy part', (t) => {
    t.ok(parts.length > 0);
    for (const path of parts) t.ok(existsSync(join(out, path.replace(/\.ts$/, '.js'))), path);
    t.end();
  });

  t.test('has the tables of messages where they are looked for', (t) => {
    const holders = globSync('chunks/*.js', { cwd: out }).filter((path) =>
      readFileSync(join(out, path), 'utf8').includes('./gen/descriptors.txt'),
    );
    t.ok(holders.length > 0);
    t.ok(existsSync(join(out, 'chunks/gen/descriptors.txt')));
    t.end();
  });

  /** A file and what it imports. */
  const filesOf = (entry: string): Set<string> => {
    const files = new Set([entry]);
    for (const file of files) {
      const text = readFileSync(join(out, file), 'utf8');
      for (const [, target = ''] of text.matchAll(/(?<!\(\)=>)\brequire\("(\.[^"]+)"\)/g))
        files.add(join(dirname(file), target));
    }
    return files;
  };

  t.test('starts an agent without what only proxies and control planes need', (t) => {
    const [entry = ''] = globSync('chunks/proxy-*.js', { cwd: out });
    const texts = [...filesOf(entry)].map((file) => readFileSync(join(out, file), 'utf8'));
    const bytes = texts.join('').length;
    t.ok(bytes > 100_000 && bytes < 350_000, String(bytes));
    for (const text of texts)
      t.notMatch(text, /(?<!\(\)=>)\brequire\("(?:@grpc|yaml|re2js|node:(?:tls|http2))/);
    t.end();
  });

  t.test('starts threads from few files, however many parts there are', (t) => {
    for (const [entry, most, own] of [
      // Main needs at its start what is a part of workers.
      ['proxy/main-program.js', 14, ['proxy/access-log/log-files.js']],
      ['proxy/server/worker-program.js', 20, []],
    ] as const) {
      const files = [...filesOf(entry)].filter((file) => !own.some((one) => one === file));
      t.ok(files.length <= most, files.join(' '));
      t.notOk(
        files.some((file) => parts.includes(file.replace(/\.js$/, '.ts'))),
        'no part',
      );
    }
    t.end();
  });

  t.test('brings with a part what it needs, not all that a worker needs', (t) => {
    const eager = filesOf('proxy/main-program.js');
    for (const part of [
      'server/admin/admin-connection',
      'server/thread-tls',
      'grpc/http2-channel',
    ]) {
      const more = [...filesOf(`proxy/${part}.js`)].filter((file) => !eager.has(file));
      const bytes = more.reduce((sum, file) => sum + statSync(join(out, file)).size, 0);
      t.ok(bytes < 120_000, `${part}: ${bytes}`);
    }
    t.end();
  });

  t.test('is ASCII, as its loader reads it', (t) => {
    for (const path of globSync('**/*.js', { cwd: out }))
      t.notMatch(readFileSync(join(out, path), 'latin1'), /[^\0-\x7f]/, path);
    t.end();
  });
  t.end();
});

t.test('A stack trace of a bundle tells the places in the sources', async (t) => {
  const root = t.testdir();
  mkdirSync(join(root, 'proxy/http'), { recursive: true });
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
  const thrower = [
    'export class Thrower {',
    '  readonly #limit: number = 1;',
    '',
    '  decode(length: number): void {',
    "    if (length > this.#limit) throw new RangeError('too long');",
    '  }',
    '}',
  ];
  writeFileSync(join(root, 'proxy/http/thrower.ts'), thrower.join('\n'));
  const main = [
    "import { Thrower } from './http/thrower.ts';",
    '// A comment.',
    'try {',
    '  new Thrower().decode(process.argv.length);',
    '} catch (error) {',
    '  process.stdout.write((error as Error).stack ?? "");',
    '}',
  ];
  writeFileSync(join(root, 'proxy/main.ts'), main.join('\n'));
  const out = join(root, 'dist');
  await bundle(root, out);
  const stack = execFileSync(process.execPath, [join(out, 'proxy/main.js')], { encoding: 'utf8' });
  const [, first = '', second = ''] = readablePlaces(stack).split('\n');
  t.match(first, /at Thrower\.decode \(proxy\/http\/thrower\.ts:5:\d+\)/);
  t.match(second, /proxy\/main\.ts:4:\d+/);
  const foreign = `at f (${pathToFileURL(join(root, 'none.js')).href}:1:2)`;
  t.equal(readablePlaces(foreign), foreign, 'what has no map stays');
  writeFileSync(join(root, 'none.js.map'), '{"mappings":7');
  t.equal(readablePlaces(foreign), foreign, 'what has a broken map stays');
});
