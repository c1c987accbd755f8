// StatsAnswers: many names go in parts, nothing is lost whenever stats are made or asked for, and one answer comes for each question.
import t from 'tap';

import { NAMES_PER_PART, StatsAnswers } from '../../../proxy/server/stats-answers.ts';
import { StatsCollector } from '../../../proxy/server/stats-collector.ts';
import type { FromWorker } from '../../../proxy/server/worker-protocol.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

interface Started {
  readonly store: StatsStore;
  readonly time: SimulatedTime;
  readonly answered: number[];
  /** Names in each message. */
  readonly parts: number[];
  ask(requestId: number): void;
  values(): ReadonlyMap<string, number>;
  count(from: number, to: number): void;
}

function start(): Started {
  const store = new StatsStore();
  const time = new SimulatedTime();
  const collector = new StatsCollector();
  const answered: number[] = [];
  const parts: number[] = [];
  const answers = new StatsAnswers(store, time, (message: FromWorker) => {
    if (message.kind === 'stat_names') {
      parts.push(message.names.definitions.length);
      collector.define('w', structuredClone(message.names));
    } else if (message.kind === 'stats') {
      parts.push(message.report.definitions.length);
      collector.add('w', structuredClone(message.report));
      answered.push(message.requestId);
    }
  });
  return {
    store,
    time,
    answered,
    parts,
    ask: (requestId) => answers.ask(requestId, !collector.knows('w')),
    values: () => new Map(collector.merged().map(({ name, value }) => [name, value])),
    count(from, to) {
      for (let i = from; i < to; i++) store.add(store.counter(`stat.${i}`), i);
    },
  };
}

t.test('few names are answered at once', (t) => {
  const { ask, answered, parts, values, count } = start();
  count(0, 10);
  ask(1);
  t.same(answered, [1]);
  t.same(parts, [10]);
  t.equal(values().get('stat.9'), 9);
  count(10, 12);
  ask(2);
  t.same(answered, [1, 2]);
  t.same(parts, [10, 2], 'what main knows is not named again');
  t.equal(values().get('stat.11'), 11);
  t.end();
});

t.test('many go in parts, with time for requests in between', (t) => {
  const { time, ask, answered, parts, values, count } = start();
  const total = 3 * NAMES_PER_PART + 5;
  count(0, total);
  ask(1);
  t.same(parts, [NAMES_PER_PART], 'one before anything else is done');
  t.same(answered, []);
  t.equal(values().get('stat.1'), 0, 'known by name, and without a value yet');
  ask(2);
  t.equal(parts.length, 1);
  count(total, total + 1);
  time.advance(10);
  t.same(parts, [NAMES_PER_PART, NAMES_PER_PART, NAMES_PER_PART, 6, 0]);
  t.same(answered, [1, 2], 'who asked meanwhile is answered too');
  const seen = values();
  t.equal(seen.size, total + 1);
  for (const i of [1, NAMES_PER_PART, NAMES_PER_PART + 1, total - 1, total])
    t.equal(seen.get(`stat.${i}`), i);
  ask(3);
  t.same(answered, [1, 2, 3]);
  t.equal(parts.at(-1), 0);
  t.end();
});
