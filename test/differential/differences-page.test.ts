// The page of differences says what the rows say, and every row is well-formed.
import { readFileSync } from 'node:fs';
import t from 'tap';

import { PAGE, allSuites, differencesPage } from './differences-page.ts';

t.test('docs/differences.md', async (t) => {
  const suites = await allSuites();
  t.ok(suites.length > 0);
  t.equal(
    readFileSync(PAGE, 'utf8'),
    differencesPage(suites),
    'is what the rows say; run write-differences.ts',
  );
  for (const { title, rows } of suites) {
    for (const { name, differs } of rows) {
      if (differs === undefined) continue;
      t.ok(differs.where.length > 0, `${title}, ${name}: says where`);
      t.ok(differs.reason.length > 10, `${title}, ${name}: says why`);
    }
  }
});
