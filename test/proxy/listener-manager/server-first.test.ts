// What a worker remembers of who spoke first: for how long, of how many destinations, and what it makes of it.
import t from 'tap';

import { ServerFirstMemory } from '../../../proxy/listener-manager/server-first.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

t.test('ServerFirstMemory', (t) => {
  t.test('a server that was first is asked at once, a client that was first gets a second', (t) => {
    const memory = new ServerFirstMemory(new SimulatedTime());
    t.equal(memory.silenceMs('a'), 100);
    memory.note('a', 'server');
    t.equal(memory.silenceMs('a'), 0);
    memory.note('a', 'client');
    t.equal(memory.silenceMs('a'), 1000, 'the last word counts');
    t.equal(memory.silenceMs('b'), 100, 'others are not known');
    t.end();
  });

  t.test('ten minutes, and again where it is seen again', (t) => {
    const time = new SimulatedTime();
    const memory = new ServerFirstMemory(time);
    memory.note('a', 'server');
    memory.note('b', 'server');
    time.advance(360_000);
    memory.note('b', 'server');
    time.advance(239_999);
    t.equal(memory.silenceMs('a'), 0);
    time.advance(1);
    t.equal(memory.silenceMs('a'), 100, 'forgotten');
    t.equal(memory.silenceMs('b'), 0);
    t.end();
  });

  t.test('is bounded: the oldest goes', (t) => {
    const memory = new ServerFirstMemory(new SimulatedTime());
    for (let i = 0; i < 3000; i++) memory.note(String(i), 'server');
    t.equal(memory.size, 1024);
    t.equal(memory.silenceMs('1975'), 100);
    t.equal(memory.silenceMs('1976'), 0);
    t.end();
  });
  t.end();
});
