// Active checks of one host in simulated time: thresholds, intervals by state, flags, events.
import t from 'tap';
import type { HealthCheckConfig } from '../../../proxy/config/health-check-config.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { Runtime } from '../../../proxy/base/runtime.ts';
import { checkIntervalMs, initialDelayMs } from '../../../proxy/upstream/health-intervals.ts';
import { HealthPacer } from '../../../proxy/upstream/health-pacer.ts';
import { ProbeResult } from '../../../proxy/upstream/health-probe.ts';
import type { Probe, ProbeOwner } from '../../../proxy/upstream/health-probe.ts';
import { HealthSession } from '../../../proxy/upstream/health-session.ts';
import type { CheckedHost, CheckEvent, CheckStat } from '../../../proxy/upstream/health-session.ts';
import { HealthFlag } from '../../../proxy/upstream/host-health.ts';
import { sampleCheck } from '../../support/health-samples.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

const { FailedActiveCheck, PendingFirstCheck, DegradedActiveCheck } = HealthFlag;
const { ActiveCheckTimeout, ExcludedByResponse } = HealthFlag;

class ScriptedProbe implements Probe {
  owner!: ProbeOwner;
  started = 0;
  aborted = 0;
  closed = false;
  start(): void {
    this.started++;
  }
  abort(): void {
    this.aborted++;
  }
  close(): void {
    this.closed = true;
  }
  answer(result: ProbeResult, status = 0): void {
    this.owner.onProbeResult(result, status);
  }
}

class NotedHost implements CheckedHost {
  flags: number = FailedActiveCheck;
  readonly events: CheckEvent[] = [];
  readonly done: boolean[] = [];
  setFlags(flags: number): void {
    this.flags = flags;
  }
  onCheckEvent(event: CheckEvent): void {
    this.events.push(event);
  }
  onCheckDone(healthy: boolean): void {
    this.done.push(healthy);
  }
}

function setUp(changes: Partial<HealthCheckConfig> = {}, traffic = true) {
  const config = sampleCheck(changes);
  const time = new SimulatedTime();
  const random = new SeededRandom(1);
  const counts = new Map<CheckStat, number>();
  const host = new NotedHost();
  const probe = new ScriptedProbe();
  const context = {
    config,
    time,
    pacer: new HealthPacer(time),
    count: (stat: CheckStat) => void counts.set(stat, (counts.get(stat) ?? 0) + 1),
    intervalMs: (healthy: boolean, pending: boolean) =>
      checkIntervalMs(config, { traffic, healthy, pending }, random, Runtime.EMPTY),
    initialDelayMs: () => initialDelayMs(config, random),
  };
  const session = new HealthSession(context, host, (owner) => {
    probe.owner = owner;
    return probe;
  });
  session.start();
  /** When the next check begins, in ms from now. */
  const nextCheckMs = (): number => {
    const before = probe.started;
    for (let ms = 1; ms <= 100_000; ms++) {
      time.advance(1);
      if (probe.started > before) return ms;
    }
    return Infinity;
  };
  return { time, host, probe, session, counts, nextCheckMs };
}

t.test('HealthSession', (t) => {
  t.test('lets the first check decide at once', (t) => {
    const { host, probe } = setUp();
    t.equal(probe.started, 1, 'and begins with it');
    probe.answer(ProbeResult.Healthy);
    t.equal(host.flags, 0);
    t.strictSame(host.events, [{ kind: 'add_healthy', firstCheck: true }]);
    t.end();
  });

  t.test('keeps a host unhealthy whose first check fails, then counts to the threshold', (t) => {
    const { host, probe, nextCheckMs } = setUp();
    probe.answer(ProbeResult.Network);
    t.equal(host.flags, FailedActiveCheck);
    t.match(host.events, [{ kind: 'failure', failure: 'NETWORK', firstCheck: true, status: 0 }]);
    t.equal(nextCheckMs(), 2000, 'unhealthy_interval');
    for (const last of [false, false, true]) {
      probe.answer(ProbeResult.Healthy);
      t.equal(host.flags, last ? 0 : FailedActiveCheck);
      t.equal(nextCheckMs(), last ? 1000 : 400, 'healthy_edge_interval, then interval');
    }
    t.end();
  });

  t.test('gives the network several chances, a wrong answer none', (t) => {
    const { host, probe, nextCheckMs, counts } = setUp();
    probe.answer(ProbeResult.Healthy);
    nextCheckMs();
    probe.answer(ProbeResult.Network);
    t.equal(host.flags, 0);
    t.equal(nextCheckMs(), 300, 'unhealthy_edge_interval');
    probe.answer(ProbeResult.Retriable, 500);
    t.equal(host.flags, FailedActiveCheck, 'a retriable status counts with it');
    for (let i = 0; i < 3; i++) {
      nextCheckMs();
      probe.answer(ProbeResult.Healthy);
    }
    nextCheckMs();
    probe.answer(ProbeResult.Failed, 503);
    t.equal(host.flags, FailedActiveCheck);
    t.match(host.events.at(-1), { kind: 'eject_unhealthy', failure: 'ACTIVE', status: 503 });
    t.equal(counts.get('failure'), 3);
    t.equal(counts.get('network_failure'), 1);
    t.end();
  });

  t.test('forgets failures at a success', (t) => {
    const { host, probe, nextCheckMs } = setUp();
    probe.answer(ProbeResult.Healthy);
    for (let i = 0; i < 3; i++) {
      nextCheckMs();
      probe.answer(ProbeResult.Network);
      nextCheckMs();
      probe.answer(ProbeResult.Healthy);
    }
    t.equal(host.flags, 0);
    t.end();
  });

  t.test('gives a check up when its time is over, and says so while the host is down', (t) => {
    const { host, probe, time, nextCheckMs } = setUp();
    time.advance(499);
    t.equal(probe.aborted, 0);
    time.advance(1);
    t.equal(probe.aborted, 1);
    t.equal(host.flags, FailedActiveCheck | ActiveCheckTimeout);
    nextCheckMs();
    probe.answer(ProbeResult.Network);
    t.equal(host.flags, FailedActiveCheck);
    t.end();
  });

  t.test('tells degraded hosts from others', (t) => {
    const { host, probe, nextCheckMs } = setUp();
    probe.answer(ProbeResult.Degraded);
    t.equal(host.flags, DegradedActiveCheck);
    nextCheckMs();
    probe.answer(ProbeResult.Healthy);
    t.equal(host.flags, 0);
    t.strictSame(
      host.events.map(({ kind }) => kind),
      ['add_healthy', 'degraded', 'no_longer_degraded'],
    );
    t.end();
  });

  t.test('takes what the host says of itself at once', (t) => {
    const { host, probe, session, counts, nextCheckMs } = setUp();
    probe.answer(ProbeResult.Healthy);
    session.onPassiveFailure();
    t.equal(host.flags, FailedActiveCheck | ExcludedByResponse);
    t.equal(counts.get('passive_failure'), 1);
    t.equal(nextCheckMs(), 1000, 'the next check comes when it would have come');
    for (let i = 0; i < 3; i++) {
      probe.answer(ProbeResult.Healthy);
      nextCheckMs();
    }
    t.equal(host.flags, 0);
    t.end();
  });

  t.test('counts a new host when its first check is over, however it went', (t) => {
    for (const result of [ProbeResult.Healthy, ProbeResult.Network]) {
      const { host, probe } = setUp();
      host.flags = FailedActiveCheck | PendingFirstCheck;
      probe.answer(result);
      t.equal(host.flags & PendingFirstCheck, 0);
    }
    t.end();
  });

  t.test('waits long while the cluster has no traffic', (t) => {
    const { probe, nextCheckMs } = setUp({}, false);
    probe.answer(ProbeResult.Healthy);
    t.equal(nextCheckMs(), 60_000);
    t.end();
  });

  t.test('logs more where it is asked to', (t) => {
    const log = { paths: ['x'], alwaysFailures: true, alwaysSuccess: true };
    const { host, probe, nextCheckMs } = setUp({ log });
    probe.answer(ProbeResult.Healthy);
    nextCheckMs();
    probe.answer(ProbeResult.Healthy);
    nextCheckMs();
    probe.answer(ProbeResult.Network);
    t.strictSame(
      host.events.map(({ kind }) => kind),
      ['add_healthy', 'success', 'failure'],
    );
    t.end();
  });

  t.test('does nothing any more when it is closed', (t) => {
    const { time, probe, session, host } = setUp();
    session.close();
    t.ok(probe.closed);
    probe.answer(ProbeResult.Healthy);
    time.advance(100_000);
    t.equal(probe.started, 1);
    t.strictSame(host.done, []);
    t.end();
  });
  t.end();
});

t.test('checkIntervalMs', (t) => {
  const { intervals } = sampleCheck();
  const moment = { traffic: true, healthy: true, pending: false };
  const random = new SeededRandom(7);
  t.test('adds jitter within its bounds', (t) => {
    const config = sampleCheck({ intervals: { ...intervals, jitterMs: 50, jitterPercent: 10 } });
    const seen = Array.from({ length: 500 }, () =>
      checkIntervalMs(config, moment, random, Runtime.EMPTY),
    );
    t.ok(seen.every((ms) => ms >= 1000 && ms < 1150));
    t.ok(new Set(seen).size > 50);
    t.end();
  });
  t.test('is held by runtime keys, and is never nothing', (t) => {
    const runtime = (key: string, value: string): Runtime =>
      new Runtime(new Map([[`health_check.${key}`, value]]));
    const config = sampleCheck();
    t.equal(checkIntervalMs(config, moment, random, runtime('min_interval', '5000')), 5000);
    t.equal(checkIntervalMs(config, moment, random, runtime('max_interval', '20')), 20);
    t.equal(checkIntervalMs(config, moment, random, runtime('max_interval', '0')), 1);
    t.end();
  });
  t.end();
});

t.test('HealthPacer', (t) => {
  const time = new SimulatedTime();
  const pacer = new HealthPacer(time);
  let begun = 0;
  const checks = Array.from({ length: 100 }, () => ({ begin: () => void begun++ }));
  for (const check of checks) pacer.run(check);
  t.equal(begun, 32, 'some in one turn');
  pacer.forget(checks[99]!);
  time.advance(10);
  t.equal(begun, 99, 'the others in the next ones, but for those that were given up');
  t.end();
});
