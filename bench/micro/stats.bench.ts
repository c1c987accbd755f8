// Counting on the hot path, and what a scrape costs. Run: node bench/micro/stats.bench.ts
import { StatsStore } from '../../proxy/stats/store.ts';
import { bench } from './micro-bench.ts';

const store = new StatsStore();
const counter = store.counter('cluster.backend.upstream_rq_total');
const gauge = store.gauge('cluster.backend.upstream_rq_active');
const histogram = store.histogram('cluster.backend.upstream_rq_time');
bench('counter: inc', () => store.inc(counter));
bench('gauge: inc and dec', () => {
  store.inc(gauge);
  store.dec(gauge);
});
bench('histogram: record', (i) => store.record(histogram, i & 1_023));
bench('register: a name that is known', () => store.counter('cluster.backend.upstream_rq_total'));

const large = new StatsStore();
const ids = Array.from({ length: 5_000 }, (_, i) =>
  large.counter(`cluster.outbound|80||svc-${i >> 4}.default.svc.cluster.local.stat_${i & 15}`),
);
large.report(true);
bench('report: 5000 counters to main', (i) => {
  large.inc(ids[i % ids.length]!);
  return large.report(false);
});
