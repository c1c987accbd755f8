// StatsStore and its histograms: values, reports that carry only what is new, buckets of two digits.
import t from 'tap';

import { LogLinearHistogram, bucketOf, bucketRange } from '../../../proxy/stats/histogram.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';

t.test('StatsStore', (t) => {
  t.test('registers a name once, tags told apart', (t) => {
    const store = new StatsStore();
    t.equal(store.counter('a'), store.counter('a'));
    t.not(store.counter('a', [['x', '1']]), store.counter('a', [['x', '2']]));
    t.not(store.counter('__proto__'), store.counter('constructor'));
    t.equal(store.size, 5);
    t.end();
  });

  t.test('keeps values while it grows', (t) => {
    const store = new StatsStore();
    const first = store.counter('first');
    store.add(first, 41);
    for (let i = 0; i < 5000; i++) store.inc(store.counter(`c${i}`));
    store.inc(first);
    t.equal(store.value(first), 42);
    const gauge = store.gauge('g');
    store.set(gauge, 5);
    store.dec(gauge);
    t.equal(store.value(gauge), 4);
    t.end();
  });

  t.test('reports definitions once, values always, histograms since last time', (t) => {
    const store = new StatsStore();
    const counter = store.counter('c');
    const histogram = store.histogram('h');
    store.inc(counter);
    store.record(histogram, 5);
    store.record(histogram, 5);
    const one = store.report(false);
    t.same(
      one.definitions.map(({ name }) => name),
      ['c', 'h'],
    );
    t.same(
      one.histograms.map(({ id, sum, buckets }) => [id, sum, [...buckets]]),
      [[histogram, 10, [bucketOf(5), 2]]],
    );
    const two = store.report(false);
    t.same([two.firstId, two.definitions, two.histograms], [2, [], []]);
    t.equal(two.values[counter], 1);
    t.equal(store.report(true).definitions.length, 2);
    t.end();
  });
  t.end();
});

t.test('LogLinearHistogram', (t) => {
  t.test('puts every value into a bucket that holds it, to two digits', (t) => {
    for (const value of [1, 1.05, 9.99, 10, 11, 99, 100, 101, 12_345, 999_999, 1e9, 9.9e11]) {
      const { low, width } = bucketRange(bucketOf(value));
      t.ok(
        low <= value * 1.000001 && value < (low + width) * 1.000001,
        `${value} in ${low}+${width}`,
      );
      t.ok(width <= low / 9.99, `${value}: width ${width}`);
    }
    t.end();
  });

  t.test('clamps what it cannot hold', (t) => {
    for (const value of [0, -1, 0.5, NaN, -Infinity]) t.equal(bucketOf(value), 0);
    t.equal(bucketOf(Infinity), bucketOf(1e300));
    const histogram = new LogLinearHistogram();
    for (const value of [0, 1e300, 1e12]) histogram.record(value);
    t.equal(histogram.count, 3);
    t.equal(histogram.drain().length, 6);
    t.equal(histogram.count, 0);
    t.end();
  });
  t.end();
});
