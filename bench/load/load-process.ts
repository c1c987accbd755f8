// request-load.ts as a process of its own, so that it can be pinned to CPUs: takes a LoadRequest as JSON, prints the reply as JSON.
import process from 'node:process';

import { RequestLoad } from './request-load.ts';
import type { LoadRequest } from './request-load.ts';

const request = JSON.parse(process.argv[2] ?? '{}') as LoadRequest;
const load = new RequestLoad(request);
// The bench ends a load early by closing its standard input.
process.stdin.on('end', () => load.stop());
process.stdin.resume();
const reply = await load.run();
process.stdout.write(`${JSON.stringify(reply)}\n`, () => process.exit(0));
