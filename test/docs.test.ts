// Links between the pages of the tree lead somewhere, and every decision is in the index.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';

const ROOT = join(import.meta.dirname, '..');
const LINK = /\]\(([^)#\s]+)[^)]*\)/g;

t.test('Documentation', (t) => {
  const pages = globSync('{*.md,docs/**/*.md,samples/**/*.md,bench/**/*.md,test/*.md}', {
    cwd: ROOT,
  });
  t.ok(pages.includes('README.md'));

  t.test('links to files that exist', (t) => {
    for (const page of pages) {
      const text = readFileSync(join(ROOT, page), 'utf8');
      const dead = [...text.matchAll(LINK)]
        .map((match) => match[1]!)
        .filter((target) => !/^[a-z]+:/.test(target))
        .filter((target) => !existsSync(join(ROOT, dirname(page), target)));
      t.same(dead, [], page);
    }
    t.end();
  });

  t.test('walks through a request by files that exist', (t) => {
    const text = readFileSync(join(ROOT, 'docs/life-of-a-request.md'), 'utf8');
    const named = [...text.matchAll(/`(proxy\/[a-z0-9/-]+\.ts)`/g)].map((match) => match[1]!);
    t.ok(named.length > 15);
    t.same(
      named.filter((path) => !existsSync(join(ROOT, path))),
      [],
    );
    t.end();
  });

  t.test('lists every decision', (t) => {
    const index = readFileSync(join(ROOT, 'docs/adr/README.md'), 'utf8');
    const decisions = globSync('[0-9]*.md', { cwd: join(ROOT, 'docs/adr') });
    t.same(
      decisions.filter((page) => !index.includes(`(${page})`)),
      [],
    );
    t.end();
  });
  t.end();
});
