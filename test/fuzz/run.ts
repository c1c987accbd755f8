// `node_modules/.bin/node test/fuzz/run.ts --seconds 600`: fuzzes the codec and the proxy, half of the time each.
import { parseArgs } from 'node:util';

import { checkSeed } from './codec-properties.ts';
import { fuzzCodec, fuzzProxy } from './fuzz.ts';
import type { Outcome } from './fuzz.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    seed: { type: 'string' },
    from: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
  },
});

if (values.seed !== undefined) {
  console.log(checkSeed(Number(values.seed)) ?? 'all holds');
} else {
  const budget = { firstSeed: Number(values.from), seconds: Number(values.seconds) / 2 };
  show('codec', fuzzCodec(budget));
  show('proxy', await fuzzProxy(budget));
}

function show(name: string, { rounds, failures }: Outcome): void {
  console.log(`${name}: ${rounds} rounds from seed ${values.from}, ${failures.length} failures`);
  for (const { seed, what, bytes } of failures) {
    console.log(`\nseed ${seed}: ${what}\n${JSON.stringify(bytes)}`);
    process.exitCode = 1;
  }
}
