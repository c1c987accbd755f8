// DrainManager: what workers are told by /drain_listeners and /healthcheck, now and when they start later.
import t from 'tap';
import { DrainManager } from '../../../proxy/server/drain-manager.ts';
import type { DrainRequest } from '../../../proxy/server/admin-context.ts';
import type { ToWorker } from '../../../proxy/server/worker-protocol.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

function setUp() {
  const time = new SimulatedTime();
  const told: ToWorker[] = [];
  const stopped: string[] = [];
  const drain = new DrainManager({
    strategy: 'immediate',
    drainTimeMs: 45_000,
    time,
    tellWorkers: (message) => told.push(message),
    onListenersStopped: (which) => stopped.push(which),
  });
  return { time, drain, stopped, take: () => told.splice(0) };
}

const request = (changes: Partial<DrainRequest>): DrainRequest => ({
  inboundOnly: false,
  graceful: false,
  skipExit: false,
  ...changes,
});

t.test('DrainManager', (t) => {
  t.test('stops listeners at once where no grace is asked for', (t) => {
    const { drain, take, stopped } = setUp();
    drain.drainListeners(request({}));
    t.same(take(), [{ kind: 'stop_listeners', inboundOnly: false }]);
    t.same(stopped, ['all']);
    drain.drainListeners(request({}));
    drain.drainListeners(request({ inboundOnly: true }));
    t.same(take(), [], 'a repetition does nothing');
    t.end();
  });

  t.test('drains for the drain time, then stops', (t) => {
    const { drain, take, time, stopped } = setUp();
    drain.drainListeners(request({ graceful: true, inboundOnly: true }));
    const started = {
      kind: 'drain_started',
      inboundOnly: true,
      strategy: 'immediate',
      drainTimeMs: 45_000,
      elapsedMs: 0,
    };
    t.same(take(), [started]);
    time.advance(20_000);
    drain.drainListeners(request({ graceful: true, inboundOnly: true }));
    t.same(take(), []);
    t.same(drain.catchUp(), [{ ...started, elapsedMs: 20_000 }]);
    time.advance(24_999);
    t.same(stopped, []);
    time.advance(1);
    t.same(take(), [{ kind: 'stop_listeners', inboundOnly: true }]);
    t.same(stopped, ['inbound']);
    t.same(
      drain.catchUp().map(({ kind }) => kind),
      ['drain_started', 'stop_listeners'],
    );
    t.end();
  });

  for (const graceful of [true, false]) {
    t.test(`never stops with skip_exit${graceful ? ' and graceful' : ' alone'}`, (t) => {
      const { drain, take, time, stopped } = setUp();
      drain.drainListeners(request({ graceful, skipExit: true, inboundOnly: true }));
      t.match(take(), [{ kind: 'drain_started', inboundOnly: true }]);
      time.advance(1e9);
      t.same(stopped, []);
      t.end();
    });
  }

  t.test('widens an inbound drain to all directions', (t) => {
    const { drain, take } = setUp();
    drain.drainListeners(request({ graceful: true, inboundOnly: true }));
    take();
    drain.drainListeners(request({ graceful: true }));
    t.match(take(), [{ kind: 'drain_started', inboundOnly: false }]);
    t.end();
  });

  t.test('tells failed health once, and again to later workers', (t) => {
    const { drain, take } = setUp();
    drain.setHealthCheckFailed(true);
    drain.setHealthCheckFailed(true);
    t.same(take(), [{ kind: 'health_check_failed', failed: true }]);
    t.same(drain.catchUp(), [{ kind: 'health_check_failed', failed: true }]);
    drain.setHealthCheckFailed(false);
    t.same(take(), [{ kind: 'health_check_failed', failed: false }]);
    t.same(drain.catchUp(), []);
    t.end();
  });
  t.end();
});
