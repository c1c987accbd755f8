// Renewal and watchdog in simulated time: when the authority is asked, and what is said before a certificate ends.
import t from 'tap';

import { AgentMetrics } from '../../../agent/agent-metrics.ts';
import type { IssuedCertificate } from '../../../agent/security/authority-client.ts';
import { ExpiryWatchdog } from '../../../agent/security/expiry-watchdog.ts';
import { WorkloadCertificate } from '../../../agent/security/workload-certificate.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { captureLog } from '../../support/captured-log.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function setUp(lifeMs: number, jitter = 0) {
  const time = new SimulatedTime();
  const log = captureLog();
  const asked: number[] = [];
  const changes: IssuedCertificate[] = [];
  let failure: string | undefined;
  const workload = new WorkloadCertificate({
    request: async () => {
      asked.push(time.wallMs());
      if (failure !== undefined) throw new Error(failure);
      return { chainPem: 'c', keyPem: 'k', rootPem: 'r', notAfterMs: time.wallMs() + lifeMs };
    },
    graceRatio: 0.5,
    graceJitter: jitter,
    metrics: new AgentMetrics(),
    logger: log.logger,
    time,
    random: new SeededRandom(7),
    onChange: (now) => changes.push(now),
  });
  /** In steps, as answers come in turns of the event loop. */
  const advance = async (ms: number, step = 30_000): Promise<void> => {
    for (let left = ms; left > 0; left -= step) {
      time.advance(Math.min(step, left));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { time, log, asked, changes, workload, advance, fail: (why?: string) => (failure = why) };
}

t.test('WorkloadCertificate', async (t) => {
  t.test(
    'is renewed soon after the clock leapt forward, and not in a storm when it leapt back',
    async (t) => {
      const { workload, asked, advance, time } = setUp(DAY_MS);
      await workload.get();
      await advance(HOUR_MS);
      t.equal(asked.length, 1);
      time.setClock(20 * HOUR_MS);
      await advance(2 * 60_000);
      t.equal(asked.length, 2, 'within two minutes');
      time.setClock(-3 * DAY_MS);
      await advance(HOUR_MS);
      t.ok(asked.length <= 3, `${asked.length} times`);
      t.ok(await workload.get(), 'there is one all the while');
      workload.close();
      t.equal(time.pending, 0);
    },
  );

  t.test('is renewed at half of its life', async (t) => {
    const { workload, asked, advance, time } = setUp(DAY_MS);
    const startMs = time.wallMs();
    await workload.get();
    await advance(36.5 * HOUR_MS);
    t.strictSame(
      asked.map((ms) => Math.round((ms - startMs) / HOUR_MS)),
      [0, 12, 24, 36],
    );
    workload.close();
  });

  t.test('spreads the renewals of a mesh by the jitter', async (t) => {
    const { workload, asked, advance } = setUp(DAY_MS, 0.01);
    await workload.get();
    await advance(5 * DAY_MS);
    const gaps = asked.slice(1).map((ms, index) => (ms - asked[index]!) / DAY_MS);
    t.ok(
      gaps.every((gap) => gap >= 0.49 && gap <= 0.511),
      `${gaps.map((gap) => gap.toFixed(4)).join(' ')}`,
    );
    t.ok(new Set(gaps.map((gap) => gap.toFixed(4))).size > 3, 'no two alike');
    workload.close();
  });

  t.test(
    'stays in use while the authority is away, which is asked at most once a minute',
    async (t) => {
      const { workload, asked, advance, fail, changes } = setUp(DAY_MS);
      const first = await workload.get();
      fail('away');
      await advance(12 * HOUR_MS + 1);
      const before = asked.length;
      await advance(HOUR_MS);
      t.equal(workload.held, first);
      t.ok(asked.length - before > 60, `asked ${asked.length - before} times in an hour`);
      t.ok(asked.length - before < 400, 'and not more');
      t.equal(workload.lastProblem, 'away');
      fail();
      await advance(60_000);
      t.equal(changes.length, 2);
      t.equal(workload.lastProblem, undefined);
      workload.close();
    },
  );

  t.test('that is over when it comes is not taken, and not asked for in a hurry', async (t) => {
    const { workload, asked, advance, log } = setUp(-1);
    void workload.get();
    await advance(10_000, 100);
    t.equal(workload.held, undefined);
    t.ok(asked.length < 50, `asked ${asked.length} times in 10 s`);
    t.match(log.lines.join('\n'), /is already over; is the clock of this machine right\?/);
    workload.close();
  });

  t.test('of a very short life does not ask without a pause', async (t) => {
    const { workload, asked, advance } = setUp(10);
    await workload.get();
    await advance(10_000, 100);
    t.ok(asked.length <= 21, `asked ${asked.length} times in 10 s`);
    workload.close();
  });
});

t.test('ExpiryWatchdog', (t) => {
  const time = new SimulatedTime();
  const startMs = time.wallMs();
  const log = captureLog();
  const certificates = [
    { name: 'default', kind: 'certificate', notBeforeMs: startMs, notAfterMs: startMs + DAY_MS },
    { name: 'ROOTCA', kind: 'roots', notBeforeMs: startMs, notAfterMs: startMs + 3650 * DAY_MS },
  ] as const;
  let held: typeof certificates | readonly [] = certificates;
  const watchdog = new ExpiryWatchdog({
    certificates: () => held,
    problem: () => 'istiod is away',
    logger: log.logger,
    time,
  });
  watchdog.start();
  const advance = (ms: number): void => {
    for (let left = ms; left > 0; left -= 15_000) time.advance(Math.min(15_000, left));
  };
  advance(17 * HOUR_MS);
  t.equal(watchdog.detail(), undefined, 'no word while there is time');
  t.strictSame(log.lines, []);
  advance(HOUR_MS + 60_000);
  t.match(watchdog.detail(), /^certificate default ends in 359 min \(istiod is away\)$/);
  t.strictSame(log.lines, [
    'warning certificate default ends in 359 min; last renewal: istiod is away',
  ]);
  advance(5 * HOUR_MS);
  t.equal(log.lines.length, 3, 'said again whenever half of the time is gone');
  advance(HOUR_MS);
  t.match(log.lines.at(-1), /^error certificate default is over since 0 s/);
  const said = log.lines.length;
  advance(2 * HOUR_MS);
  t.equal(log.lines.length, said, 'what is over is said once');
  t.strictSame(
    watchdog.ages().map(({ name, near, leftMs }) => [name, near, leftMs < 0]),
    [
      ['default', true, true],
      ['ROOTCA', false, false],
    ],
  );
  held = [{ ...certificates[0], notAfterMs: startMs + 10 * DAY_MS }] as unknown as typeof held;
  advance(15_000);
  t.match(log.lines.at(-1), /default: its certificate is renewed/);
  t.equal(watchdog.detail(), undefined);
  watchdog.close();
  t.end();
});
