// TimerWheel on simulated time: never early, at most a tick late, however timers are armed, moved and cancelled.
import t from 'tap';

import { SeededRandom } from '../../../proxy/base/random.ts';
import { TimerWheel, WheelTimer } from '../../../proxy/base/timer-wheel.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

const TICK_MS = 4;

t.test('TimerWheel', (t) => {
  t.test('fires once, not early, within a tick', (t) => {
    for (const delayMs of [0, 1, 3, 4, 5, 100, 4095, 4096, 4100, 60_000, 3_600_000]) {
      const time = new SimulatedTime();
      const wheel = new TimerWheel(time);
      time.advance(1234.5);
      const fired: number[] = [];
      const startMs = time.monotonicMs();
      wheel.arm(
        new WheelTimer({ onTimer: () => fired.push(time.monotonicMs() - startMs) }, 0),
        delayMs,
      );
      time.advance(delayMs + 10_000);
      t.equal(fired.length, 1, `${delayMs} ms`);
      t.ok(
        fired[0]! >= delayMs && fired[0]! <= delayMs + 2 * TICK_MS + 1,
        `${delayMs}: ${fired[0]}`,
      );
      t.equal(wheel.size, 0);
      t.equal(time.pending, 0, 'the platform timer is not left armed');
    }
    t.end();
  });

  t.test('sleeps while thousands of timers are far away', (t) => {
    const time = new SimulatedTime();
    let wakes = 0;
    const counting = {
      monotonicMs: () => time.monotonicMs(),
      wallMs: () => time.wallMs(),
      processMs: () => time.processMs(),
      setTimer: (callback: () => void, delayMs: number) =>
        time.setTimer(() => {
          wakes++;
          callback();
        }, delayMs),
    };
    const wheel = new TimerWheel(counting);
    let fired = 0;
    for (let i = 0; i < 2000; i++) {
      wheel.arm(new WheelTimer({ onTimer: () => fired++ }, 0), 3_600_000 + i * 2);
    }
    time.advance(3_590_000);
    t.equal(wakes, 0, 'nobody is woken for an hour');
    time.advance(20_000);
    t.equal(fired, 2000);
    t.end();
  });

  t.test('moves and cancels', (t) => {
    const time = new SimulatedTime();
    const wheel = new TimerWheel(time);
    const fired: number[] = [];
    const timer = new WheelTimer({ onTimer: (kind) => fired.push(kind) }, 7);
    wheel.arm(timer, 100);
    time.advance(90);
    wheel.arm(timer, 100);
    time.advance(90);
    t.same(fired, []);
    t.ok(timer.armed);
    time.advance(30);
    t.same(fired, [7]);
    t.notOk(timer.armed);
    wheel.arm(timer, 10);
    wheel.cancel(timer);
    wheel.cancel(timer);
    time.advance(1000);
    t.same(fired, [7]);
    t.end();
  });

  t.test('bears callbacks that arm, move and cancel others of the same tick', (t) => {
    const time = new SimulatedTime();
    const wheel = new TimerWheel(time);
    const fired: string[] = [];
    const named = (name: string, then: () => void = () => {}): WheelTimer =>
      new WheelTimer({ onTimer: () => (fired.push(name), then()) }, 0);
    const victim = named('victim');
    const moved = named('moved');
    const again: WheelTimer = named('again', () => fired.length < 6 && wheel.arm(again, 0));
    wheel.arm(
      named('first', () => (wheel.cancel(victim), wheel.arm(moved, 50))),
      10,
    );
    wheel.arm(victim, 10);
    wheel.arm(moved, 10);
    wheel.arm(again, 10);
    time.advance(20);
    t.same(fired.slice(0, 2), ['first', 'again']);
    t.notOk(fired.includes('moved'));
    time.advance(100);
    t.ok(fired.includes('moved'));
    t.notOk(fired.includes('victim'));
    t.equal(wheel.size, 0);
    t.end();
  });

  t.test('catches up after a stall', (t) => {
    const time = new SimulatedTime();
    const wheel = new TimerWheel(time);
    let fired = 0;
    for (let i = 0; i < 5000; i++) wheel.arm(new WheelTimer({ onTimer: () => fired++ }, 0), i * 3);
    time.advance(60_000);
    t.equal(fired, 5000);
    t.end();
  });

  t.test('agrees with a list, whatever is done', (t) => {
    const random = new SeededRandom(11);
    const time = new SimulatedTime();
    const wheel = new TimerWheel(time);
    const due = new Map<WheelTimer, number>();
    let wrong = 0;
    const timers = Array.from({ length: 300 }, () => {
      const timer: WheelTimer = new WheelTimer(
        {
          onTimer: () => {
            const late = time.monotonicMs() - (due.get(timer) ?? Infinity);
            if (!(late >= 0 && late <= 2 * TICK_MS + 1)) wrong++;
            due.delete(timer);
          },
        },
        0,
      );
      return timer;
    });
    for (let step = 0; step < 20_000; step++) {
      const timer = timers[random.nextUint32() % timers.length]!;
      const action = random.nextUint32() % 4;
      if (action === 0) {
        wheel.cancel(timer);
        due.delete(timer);
      } else if (action < 3) {
        const delayMs = random.nextUint32() % (action === 1 ? 50 : 20_000);
        wheel.arm(timer, delayMs);
        due.set(timer, time.monotonicMs() + delayMs);
      } else time.advance(random.nextUint32() % 40);
      if (wheel.size !== due.size) wrong++;
    }
    time.advance(30_000);
    t.equal(wrong, 0);
    t.equal(due.size, 0);
    t.end();
  });
  t.end();
});
