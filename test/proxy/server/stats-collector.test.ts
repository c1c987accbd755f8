// StatsCollector: sums over threads, dead workers, resets, histograms.
import t from 'tap';
import { StatsCollector } from '../../../proxy/server/stats-collector.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';

function setUp() {
  const collector = new StatsCollector();
  const stores = new Map<string, StatsStore>();
  const store = (id: string): StatsStore => {
    let known = stores.get(id);
    if (known === undefined) stores.set(id, (known = new StatsStore()));
    return known;
  };
  const collect = (): Map<string, number> => {
    for (const [id, s] of stores) collector.add(id, s.report(!collector.knows(id)));
    return new Map(
      collector
        .merged()
        .map(({ name, tags, value }) => [
          name + tags.map((tag) => `;${tag.join('=')}`).join(''),
          value,
        ]),
    );
  };
  const die = (id: string): void => {
    stores.delete(id);
    collector.retire(id);
  };
  return { collector, store, collect, die };
}

t.test('StatsCollector', (t) => {
  t.test('sums counters and gauges of all threads by name', (t) => {
    const { store, collect } = setUp();
    store('main').set(store('main').gauge('server.live'), 1);
    for (const [id, amount] of [
      ['w0', 3],
      ['w1', 4],
    ] as const) {
      store(id).gauge(`only.${id}`);
      store(id).add(store(id).counter('rq'), amount);
      store(id).set(store(id).gauge('active'), amount);
    }
    t.match(
      collect(),
      new Map([
        ['server.live', 1],
        ['rq', 7],
        ['active', 7],
        ['only.w0', 0],
        ['only.w1', 0],
      ]),
    );
    store('w1').inc(store('w1').counter('late'));
    t.equal(collect().get('late'), 1, 'stats named later are found');
    t.end();
  });

  t.test('keeps apart stats of different tags', (t) => {
    const { store, collect } = setUp();
    store('w0').inc(store('w0').counter('rq', [['code', '200']]));
    store('w0').inc(store('w0').counter('rq', [['code', '404']]));
    t.equal(collect().get('rq;code=200'), 1);
    t.equal(collect().get('rq;code=404'), 1);
    t.end();
  });

  t.test('carries counters of a dead worker over and drops its gauges', (t) => {
    const { store, collect, die } = setUp();
    const count = (id: string): void => {
      store(id).add(store(id).counter('rq'), 5);
      store(id).set(store(id).gauge('active'), 2);
    };
    count('w0#1');
    collect();
    die('w0#1');
    t.equal(collect().get('rq'), 5);
    t.equal(collect().get('active'), 0);
    count('w0#2');
    t.equal(collect().get('rq'), 10);
    t.equal(collect().get('active'), 2);
    t.end();
  });

  t.test('resets counters and histograms, not gauges', (t) => {
    const { collector, store, collect, die } = setUp();
    const rq = store('w0').counter('rq');
    store('w0').add(rq, 5);
    store('w0').set(store('w0').gauge('active'), 2);
    store('w0').record(store('w0').histogram('time'), 9);
    collect();
    collector.resetCounters();
    t.equal(collect().get('rq'), 0);
    t.equal(collect().get('active'), 2);
    t.equal(collector.merged().find((s) => s.name === 'time')?.histogram?.count, 0);
    store('w0').add(rq, 2);
    t.equal(collect().get('rq'), 2);
    die('w0');
    t.equal(collect().get('rq'), 2);
    t.end();
  });

  t.test('knows gauges that were written from gauges nobody touched', (t) => {
    const { collector, store, collect } = setUp();
    const state = store('main').gauge('server.state');
    store('main').set(state, 2);
    store('main').set(state, 0);
    store('main').gauge('never');
    collect();
    const touched = (name: string) => collector.merged().find((s) => s.name === name)?.touched;
    t.equal(touched('server.state'), true, 'pilot-agent asks with usedonly and reads 0 as live');
    t.equal(touched('never'), false);
    t.end();
  });

  t.test('merges histograms of all threads and keeps every count', (t) => {
    const { collector, store, collect } = setUp();
    for (const id of ['w0', 'w1']) {
      const time = store(id).histogram('time');
      for (let ms = 1; ms <= 100; ms++) store(id).record(time, ms);
      collect();
    }
    const { histogram } = collector.merged().find((s) => s.name === 'time')!;
    t.match(histogram, { count: 200, sum: 10_100 });
    t.equal(
      [...histogram!.buckets.values()].reduce((sum, count) => sum + count, 0),
      200,
    );
    t.end();
  });
  t.end();
});
