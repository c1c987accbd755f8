// DnsCaches: when names are asked for, kept, refreshed and forgotten; what workers hear.
import t from 'tap';
import type { DnsCacheConfig } from '../../../proxy/config/dns-cache-config.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { DnsCaches } from '../../../proxy/upstream/dns-cache.ts';
import { FakeDnsResolver } from '../../support/fake-dns-resolver.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

function setUp(changes: Partial<DnsCacheConfig> = {}) {
  const time = new SimulatedTime();
  const resolver = new FakeDnsResolver();
  const stats = new StatsStore();
  const told: string[] = [];
  const caches = new DnsCaches({
    resolver,
    time,
    random: { next: () => 0.5, nextUint32: () => 0 },
    stats,
    sink: {
      publishForwardHosts: (_cache, hosts, removed) => {
        for (const { host, addresses, failure } of hosts)
          told.push(`${host}=${addresses.join('+')}${failure}`);
        for (const host of removed) told.push(`-${host}`);
      },
    },
  });
  const config: DnsCacheConfig = {
    name: 'c',
    dns: {
      lookupFamily: 'V4_ONLY',
      refreshRateMs: 60_000,
      respectTtl: true,
      minRefreshRateMs: 5000,
    },
    hostTtlMs: 300_000,
    maxHosts: 3,
    maxPending: 10,
    queryTimeoutMs: 5000,
    forgetFailures: false,
    preresolve: [],
    ...changes,
  };
  const stat = (name: string): number => stats.value(stats.counter(`dns_cache.c.${name}`));
  return { time, resolver, caches, config, stat, take: () => told.splice(0) };
}

t.test('DnsCaches', (t) => {
  t.test('asks once for a host, and tells all workers', (t) => {
    const { caches, config, resolver, take } = setUp();
    t.equal(caches.lookup(config, 'a.test:80'), undefined);
    t.equal(caches.lookup(config, 'a.test:80'), undefined);
    t.equal(resolver.asked, 1);
    resolver.answer('a.test', ['10.0.0.1', '10.0.0.2']);
    t.same(take(), ['a.test:80=10.0.0.1+10.0.0.2']);
    t.match(caches.lookup(config, 'a.test:80'), { port: 80, addresses: ['10.0.0.1', '10.0.0.2'] });
    t.end();
  });

  t.test('refreshes by TTL, not below the least wait, and tells what changed', (t) => {
    const { caches, config, resolver, take, time } = setUp();
    caches.lookup(config, 'a.test:80');
    resolver.answer('a.test', ['10.0.0.1'], 1000);
    time.advance(4999);
    t.equal(resolver.open.length, 0);
    time.advance(1);
    resolver.answer('a.test', ['10.0.0.1'], 30_000);
    take();
    time.advance(30_000);
    resolver.answer('a.test', ['10.0.0.9']);
    t.same(take(), ['a.test:80=10.0.0.9']);
    time.advance(60_000);
    resolver.fail('a.test');
    t.same(take(), [], 'what was good stays');
    t.match(caches.lookup(config, 'a.test:80'), { addresses: ['10.0.0.9'], failure: '' });
    t.end();
  });

  t.test('tells failures, asks again, and forgets them where told to', (t) => {
    const { caches, config, resolver, take, time, stat } = setUp();
    caches.lookup(config, 'a.test:80');
    resolver.fail('a.test', 'ESERVFAIL');
    t.same(take(), ['a.test:80=dns_resolution_failure{ESERVFAIL}']);
    time.advance(60_000);
    resolver.answer('a.test', ['10.0.0.1']);
    t.same(take(), ['a.test:80=10.0.0.1']);
    t.equal(stat('dns_query_failure'), 1);
    const forgetful = setUp({ forgetFailures: true });
    forgetful.caches.lookup(forgetful.config, 'b.test:80');
    forgetful.resolver.answer('b.test', []);
    t.same(forgetful.take(), ['b.test:80=dns_resolution_failure{no_addresses}', '-b.test:80']);
    t.equal(forgetful.time.pending, 0);
    t.end();
  });

  t.test('gives up a query that takes too long', (t) => {
    const { caches, config, resolver, take, time, stat } = setUp();
    caches.lookup(config, 'a.test:80');
    time.advance(5000);
    t.same(take(), ['a.test:80=dns_resolution_failure{timeout}']);
    t.equal(resolver.open.length, 0);
    t.equal(stat('dns_query_timeout'), 1);
    t.end();
  });

  t.test('forgets hosts that nobody asked for in their time to live', (t) => {
    const { caches, config, resolver, take, time, stat } = setUp({ hostTtlMs: 100_000 });
    caches.lookup(config, 'a.test:80');
    caches.lookup(config, 'b.test:80');
    for (let minute = 0; minute < 2; minute++) {
      resolver.answer('a.test', ['10.0.0.1']);
      resolver.answer('b.test', ['10.0.0.2']);
      time.advance(60_000);
      caches.onUsed('c', 'b.test:80');
    }
    t.same(take(), ['a.test:80=10.0.0.1', 'b.test:80=10.0.0.2', '-a.test:80']);
    t.equal(stat('host_removed'), 1);
    t.end();
  });

  t.test('holds no more hosts than it may', (t) => {
    const { caches, config, stat, resolver } = setUp();
    for (const name of ['a', 'b', 'c']) caches.lookup(config, `${name}.test:80`);
    t.match(caches.lookup(config, 'd.test:80'), { overflow: true });
    t.equal(stat('host_overflow'), 1);
    t.equal(resolver.asked, 3);
    t.end();
  });

  t.test('answers addresses itself, and asks for some hosts before anybody wants them', (t) => {
    const { caches, config, resolver, take, time } = setUp({
      preresolve: ['10.0.0.7:80', '[::1]:80', 'a.test:443'],
    });
    caches.preresolve(config);
    time.advance(1);
    t.same(take(), ['10.0.0.7:80=10.0.0.7', '[::1]:80=dns_resolution_failure{address_family}']);
    t.equal(resolver.answer('a.test', ['10.0.0.1']), 1);
    t.same(take(), ['a.test:443=10.0.0.1']);
    caches.close();
    t.equal(time.pending, 0);
    t.end();
  });
  t.end();
});
