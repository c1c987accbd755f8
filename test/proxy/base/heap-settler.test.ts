// HeapSettler: one collection per burst, and only while nobody waits for the thread.
import t from 'tap';
import { HeapSettler } from '../../../proxy/base/heap-settler.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

t.test('HeapSettler', (t) => {
  const make = () => {
    const time = new SimulatedTime();
    const state = { activity: 0, collected: 0 };
    const settler = new HeapSettler(
      time,
      () => state.activity,
      () => state.collected++,
    );
    return { time, state, settler };
  };

  t.test('collects once after a burst, then wakes nobody', (t) => {
    const { time, state, settler } = make();
    settler.onStarted();
    settler.onApplied(20);
    time.advance(1000);
    t.equal(state.collected, 1);
    t.equal(time.pending, 0);
    t.end();
  });

  t.test('leaves a start alone, however much it applies', (t) => {
    const { time, state, settler } = make();
    settler.onApplied(1000);
    time.advance(120_000);
    t.equal(state.collected, 0);
    settler.onStarted();
    time.advance(1000);
    t.equal(state.collected, 1);
    t.end();
  });

  t.test('waits for a quiet moment, asking ever more seldom', (t) => {
    const { time, state, settler } = make();
    settler.onStarted();
    let looks = 0;
    const looking = new HeapSettler(
      time,
      () => (looks++, state.activity),
      () => t.fail('busy all the time'),
    );
    looking.onStarted();
    for (let step = 0; step < 6000; step++) {
      state.activity++;
      time.advance(100);
    }
    looking.close();
    t.equal(state.collected, 0, 'not while busy');
    t.ok(looks < 50, 'a dozen doublings, then once a minute');
    time.advance(120_000);
    t.equal(state.collected, 1, 'within two of the longest looks after the last activity');
    t.end();
  });

  t.test('does nothing for a few resources, until they are many', (t) => {
    const { time, state, settler } = make();
    settler.onStarted();
    time.advance(10_000);
    for (let i = 0; i < 15; i++) settler.onApplied(1);
    time.advance(10_000);
    t.equal(state.collected, 1);
    settler.onApplied(1);
    time.advance(10_000);
    t.equal(state.collected, 2);
    t.end();
  });

  t.test('rests longer after each collection, at most a minute', (t) => {
    const { time, state, settler } = make();
    const waits: number[] = [];
    for (let i = 0; i < 10; i++) {
      if (i === 0) settler.onStarted();
      else settler.onApplied(20);
      const before = state.collected;
      let waited = 0;
      for (; state.collected === before; waited += 100) time.advance(100);
      waits.push(waited);
    }
    t.strictSame(waits, [200, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    t.end();
  });

  t.test('does nothing after close', (t) => {
    const { time, state, settler } = make();
    settler.onStarted();
    settler.close();
    time.advance(120_000);
    t.equal(state.collected, 0);
    t.end();
  });
  t.end();
});
