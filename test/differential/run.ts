// `node_modules/.bin/node test/differential/run.ts --only "words"`: plays cases and prints both sides' bytes.
import { parseArgs } from 'node:util';

import { allSuites } from './differences-page.ts';
import { envoyPath } from './differential.ts';
import { bothSides, failures, unequalLines } from './judge.ts';
import { printable } from './observation.ts';
import type { Statement } from './judge.ts';
import { play } from './play.ts';
import type { Played } from './play.ts';

const USAGE = `usage: node_modules/.bin/node test/differential/run.ts [flags] [words of file names]
  --only WORDS  only rows whose name holds them
  --cuts        also in pieces
  --failed      print only rows that fail
  --brief       of those, only the lines that only one side has
  --patience N  wait N times as long (1)`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    cuts: { type: 'boolean', default: false },
    failed: { type: 'boolean', default: false },
    brief: { type: 'boolean', default: false },
    patience: { type: 'string', default: '1' },
  },
});

if (values.help) console.log(USAGE);
else await main();

async function main(): Promise<void> {
  const envoy = envoyPath();
  if (envoy === undefined) console.log('NO ENVOY FOUND: ours alone');
  let failed = 0;
  let count = 0;
  for (const suite of await allSuites(positionals)) {
    const rows = suite.rows.filter(({ name }) => name.includes(values.only));
    if (rows.length === 0) continue;
    const options = { envoy, cuts: values.cuts, patience: Number(values.patience) };
    for (const played of await play({ ...suite, rows }, options)) {
      const found = failures(played);
      count++;
      if (found.length > 0) failed++;
      else if (values.failed || values.brief) continue;
      console.log(`\n=== ${suite.title}: ${played.row.name}`);
      if (values.brief) for (const each of found) console.log(brief(played, each));
      else printWhole(played, found);
    }
  }
  console.log(`\n${count} rows, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}

function brief(played: Played, statement: Statement): string {
  return `✗ ${statement.text}\n${unequalLines(played.ours, statement)}`;
}

function printWhole({ ours, envoy }: Played, failed: readonly Statement[]): void {
  console.log(`OURS\n${printable(ours)}`);
  if (envoy !== undefined) console.log(`ENVOY\n${printable(envoy)}`);
  const shown = new Set<string>();
  for (const statement of failed) {
    console.log(`✗ ${statement.text}`);
    const [name] = statement.other ?? ['ENVOY'];
    if (name === 'ENVOY' || shown.has(name)) continue;
    shown.add(name);
    console.log(bothSides(ours, statement));
  }
}
