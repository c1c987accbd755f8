// Times a call and counts what it allocates: nanoseconds (best and median of the rounds) and bytes on V8's heap, which are exact.
import process from 'node:process';
import { getHeapStatistics } from 'node:v8';

import { spreadOf } from '../load/statistics.ts';

/** `--smoke`: only shows that it works. */
const SMOKE = process.argv.includes('--smoke');
const ROUNDS = SMOKE ? 1 : 7;
const ROUND_NS = SMOKE ? 200_000 : 60_000_000;
const WARM_UP_CALLS = SMOKE ? 200 : 50_000;

interface Totals {
  readonly total_allocated_bytes: number;
}

const allocatedBytes = (): number =>
  (getHeapStatistics() as unknown as Totals).total_allocated_bytes;

/** Results are kept, so that no call can be optimised away. */
let sink: unknown;
export const lastResult = (): unknown => sink;

function nanosecondsOf(calls: number, run: (i: number) => unknown): number {
  const start = process.hrtime.bigint();
  for (let i = 0; i < calls; i++) sink = run(i);
  return Number(process.hrtime.bigint() - start);
}

let titled = false;

function printTitle(): void {
  if (titled) return;
  titled = true;
  if (SMOKE) process.stdout.write('smoke: these numbers mean nothing\n');
  const title = ['call', 'best ns', 'median ns', 'B allocated'];
  process.stdout.write(
    `${title[0]!.padEnd(58)}${title
      .slice(1)
      .map((text) => text.padStart(12))
      .join('')}\n`,
  );
}

/** Prints one line. */
export function bench(name: string, run: (i: number) => unknown): void {
  printTitle();
  for (let i = 0; i < WARM_UP_CALLS; i++) sink = run(i);
  let calls = SMOKE ? 100 : 1_000;
  if (!SMOKE) while (nanosecondsOf(calls, run) < ROUND_NS / 4 && calls < 50_000_000) calls *= 2;
  const rounds: number[] = [];
  const before = allocatedBytes();
  for (let round = 0; round < ROUNDS; round++) rounds.push(nanosecondsOf(calls, run) / calls);
  const bytes = (allocatedBytes() - before) / (calls * ROUNDS);
  const { median, least } = spreadOf(rounds);
  process.stdout.write(
    `${name.padEnd(58)}${least.toFixed(1).padStart(12)}${median.toFixed(1).padStart(12)}${bytes.toFixed(1).padStart(12)}\n`,
  );
}
