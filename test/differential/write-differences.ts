// `node_modules/.bin/node test/differential/write-differences.ts`: writes docs/differences.md anew.
import { writeFileSync } from 'node:fs';

import { PAGE, allSuites, differencesPage } from './differences-page.ts';

writeFileSync(PAGE, differencesPage(await allSuites()));
