// `npm run bench -- micro`: each file of bench/micro as a process of its own, so that none warms the others' code.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

import { print } from './session.ts';

const MICRO = join(import.meta.dirname, '../micro');

/** Words choose files whose name has one of them; `--smoke` runs each bench only as often as shows that it works. */
export function microCommand(argv: readonly string[]): Promise<number> {
  const flags = argv.filter((word) => word.startsWith('--'));
  const words = argv.filter((word) => !word.startsWith('--'));
  const files = readdirSync(MICRO)
    .filter((name) => name.endsWith('.bench.ts'))
    .filter((name) => words.length === 0 || words.some((word) => name.includes(word)));
  let failed = files.length === 0 ? 1 : 0;
  if (failed > 0) print(`no micro bench matches ${words.join(' ')}`);
  for (const name of files) {
    print(`\n${name}`);
    const args = [join(MICRO, name), ...flags];
    const { status, signal } = spawnSync(process.execPath, args, { stdio: 'inherit' });
    if (status === 0) continue;
    print(`${name} FAILED: ${signal ?? `code ${status}`}`);
    failed++;
  }
  return Promise.resolve(failed === 0 ? 0 : 1);
}
