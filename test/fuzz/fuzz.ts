// Runs rounds until their time is over.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { bootstrapFor } from '../differential/bootstrap.ts';
import { ProxyUnderTest } from '../differential/proxy-under-test.ts';
import { RawUpstream } from '../support/raw-peers.ts';
import { checkSeed } from './codec-properties.ts';
import type { Failure } from './codec-properties.ts';
import {
  checkAnswers,
  checkUpstream,
  echoIds,
  exchangePipeline,
  generatePipeline,
} from './proxy-properties.ts';

export interface Outcome {
  readonly rounds: number;
  readonly failures: readonly Failure[];
}

const MOST_FAILURES = 5;
const AT_A_TIME = 32;

export interface Budget {
  readonly firstSeed: number;
  readonly seconds: number;
  /** Ends earlier, whatever the time. */
  readonly rounds?: number;
}

export function fuzzCodec({ firstSeed, seconds, rounds = Infinity }: Budget): Outcome {
  const until = performance.now() + seconds * 1000;
  const failures: Failure[] = [];
  let round = 0;
  for (; round < rounds && performance.now() < until; round++) {
    const failure = checkSeed(firstSeed + round);
    if (failure !== undefined && failures.push(failure) >= MOST_FAILURES) break;
  }
  return { rounds: round, failures };
}

/** Some connections at a time; what the upstreams got is looked at after each lot. */
export async function fuzzProxy({
  firstSeed,
  seconds,
  rounds = Infinity,
}: Budget): Promise<Outcome> {
  const teardowns: (() => void | Promise<void>)[] = [];
  const dir = mkdtempSync(join(tmpdir(), 'fuzz-'));
  try {
    const upstream = await RawUpstream.start({ teardown: (fn) => teardowns.push(fn) }, echoIds);
    const one = {
      id: 'fuzz',
      config: {},
      log: '%RESPONSE_CODE%',
      logPath: '/dev/null',
      ports: new Map([['up', upstream.port]]),
    };
    const proxy = await ProxyUnderTest.start(dir, bootstrapFor([one], {}), undefined);
    teardowns.push(() => proxy.stop());
    const until = performance.now() + seconds * 1000;
    const failures: Failure[] = [];
    let round = 0;
    while (round < rounds && performance.now() < until && failures.length < MOST_FAILURES) {
      const count = Math.min(AT_A_TIME, rounds - round);
      failures.push(...(await playLot(proxy, upstream, firstSeed + round, count)));
      round += count;
    }
    return { rounds: round, failures };
  } finally {
    for (const teardown of teardowns.toReversed()) await teardown();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function playLot(
  proxy: ProxyUnderTest,
  upstream: RawUpstream,
  firstSeed: number,
  count: number,
): Promise<Failure[]> {
  upstream.forget();
  const pipelines = Array.from({ length: count }, (_, i) => generatePipeline(firstSeed + i));
  const failures: Failure[] = [];
  await Promise.all(
    pipelines.map(async (pipeline) => {
      const received = await exchangePipeline(proxy.port('fuzz'), pipeline);
      const what = checkAnswers(pipeline, received);
      const bytes = pipeline.requests.map(({ wire }) => wire).join('');
      if (what !== undefined)
        failures.push({ seed: pipeline.seed, what: `${what}; it got ${received}`, bytes });
    }),
  );
  const sent = new Map(
    pipelines.flatMap(({ requests }) => requests.map((each) => [each.id, each] as const)),
  );
  const what = proxy.alive ? checkUpstream(upstream, sent) : `the proxy died: ${proxy.said}`;
  if (what !== undefined)
    failures.push({ seed: firstSeed, what: `${what} (of ${count} pipelines)`, bytes: '' });
  return failures;
}
