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
    settler.onApplied(1, true);
    settler.onApplied(20, false);
    time.advance(1000);
    t.equal(state.collected, 1);
    t.equal(time.pending, 0);
    t.end();
  });

  t.test('waits for a quiet moment, asking ever more seldom', (t) => {
    const { time, state, settler } = make();
    settler.onApplied(20, false);
    let looks = 0;
    const looking = new HeapSettler(
      time,
      () => (looks++, state.activity),
      () => t.fail('busy all the time'),
    );
    looking.onApplied(20, false);
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
    for (let i = 0; i < 15; i++) settler.onApplied(1, false);
    time.advance(10_000);
    t.equal(state.collected, 0);
    settler.onApplied(1, false);
    time.advance(10_000);
    t.equal(state.collected, 1);
    t.end();
  });

  t.test('rests longer after each collection, at most a minute', (t) => {
    const { time, state, settler } = make();
    const waits: number[] = [];
    for (let i = 0; i < 10; i++) {
      settler.onApplied(20, false);
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
    settler.onApplied(20, false);
    settler.close();
    time.advance(120_000);
    t.equal(state.collected, 0);
    t.end();
  });
  t.end();
});
