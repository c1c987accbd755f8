// StrictDnsCluster: refresh, TTL, failure, empty answers, one logical host.
import t from 'tap';
import type { ClusterConfig } from '../../../proxy/config/cluster-config.ts';
import { StrictDnsCluster } from '../../../proxy/upstream/strict-dns-cluster.ts';
import { sampleCluster, sampleEndpoint, sampleLocality } from '../../support/config-samples.ts';
import { FakeDnsResolver } from '../../support/fake-dns-resolver.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

const names = (...hosts: string[]) => [
  sampleLocality(hosts.map((host) => sampleEndpoint(host, 80))),
];

/** `draws`: what chance says, in turn; then 0.5 for ever. */
function setUp(changes: Partial<ClusterConfig> = {}, ...draws: readonly number[]) {
  const seen: string[] = [];
  const counted: string[] = [];
  const left = [...draws];
  const time = new SimulatedTime();
  const resolver = new FakeDnsResolver();
  const config = sampleCluster('d', {
    type: 'STRICT_DNS',
    localities: names('a.test'),
    ...changes,
  });
  const cluster = new StrictDnsCluster(config, {
    resolver,
    time,
    random: { next: () => left.shift() ?? 0.5, nextUint32: () => 0 },
    events: {
      onHosts: (localities) => {
        const hosts = localities.flatMap((l) => l.endpoints);
        seen.push(
          hosts
            .map((e) => {
              const more = (e.additionalAddresses ?? []).map(
                (a) => `+${a.kind === 'ip' ? a.address : ''}`,
              );
              return e.address.kind === 'ip'
                ? `${e.address.address}${more.join('')}=${e.hostname}`
                : '';
            })
            .join(' '),
        );
      },
      onAsk: () => counted.push('ask'),
      onAnswer: (_name, _answer, failed) => counted.push(failed ? 'failure' : 'success'),
      onUnchanged: () => counted.push('unchanged'),
    },
  });
  cluster.start();
  const waitsMs = (expectedMs: number): boolean => {
    time.advance(expectedMs - 1);
    const early = resolver.open.length > 0;
    time.advance(1);
    return !early && resolver.open.length > 0;
  };
  const take = (): string[] => seen.splice(0);
  return { cluster, time, resolver, take, waitsMs, counts: () => counted.splice(0) };
}

t.test('StrictDnsCluster', (t) => {
  t.test('is ready with the first answer, as Envoy is, and reports every later one', (t) => {
    const { resolver, take } = setUp({ localities: names('a.test', 'b.test', '10.0.0.7') });
    resolver.answer('a.test', ['10.0.0.1']);
    t.same(take(), ['10.0.0.1=a.test 10.0.0.7=']);
    resolver.fail('b.test');
    t.same(take(), []);
    t.end();
  });

  t.test('is ready when the first query failed', (t) => {
    const { resolver, take } = setUp({ localities: names('a.test', 'b.test') });
    resolver.fail('b.test');
    t.same(take(), ['']);
    resolver.answer('a.test', ['10.0.0.1']);
    t.same(take(), ['10.0.0.1=a.test']);
    t.end();
  });

  t.test('is ready before the first answer where nobody is to wait', (t) => {
    const { resolver, take } = setUp({ waitForWarmOnInit: false });
    t.same(take(), ['']);
    t.equal(resolver.asked, 1);
    t.end();
  });

  t.test('needs no resolver for literals', (t) => {
    const { resolver, take } = setUp({ localities: names('10.0.0.7', '::1') });
    t.same(take(), ['10.0.0.7= ::1=']);
    t.equal(resolver.asked, 0);
    t.end();
  });

  t.test('asks again at the refresh rate and reports only changes', (t) => {
    const { resolver, take, time } = setUp();
    resolver.answer('a.test', ['10.0.0.1', '10.0.0.2']);
    take();
    time.advance(5000);
    resolver.answer('a.test', ['10.0.0.2', '10.0.0.1']);
    t.same(take(), [], 'order alone is no change');
    time.advance(5000);
    resolver.answer('a.test', ['10.0.0.3']);
    t.same(take(), ['10.0.0.3=a.test']);
    t.end();
  });

  t.test('keeps hosts on failure and drops them on an empty answer', (t) => {
    const { resolver, take, time } = setUp();
    resolver.answer('a.test', ['10.0.0.1']);
    take();
    time.advance(5000);
    resolver.fail('a.test');
    t.same(take(), []);
    time.advance(5000);
    resolver.answer('a.test', []);
    t.same(take(), ['']);
    t.end();
  });

  const ttlRows: readonly (readonly [
    what: string,
    dns: Partial<ClusterConfig['dns']>,
    ttlMs: number | undefined,
    expectedMs: number,
  ])[] = [
    ['its TTL', { respectTtl: true }, 30_000, 30_000],
    ['the rate where TTLs are not respected', {}, 30_000, 5000],
    ['the rate after a TTL of zero', { respectTtl: true }, 0, 5000],
    ['the rate where none is told', { respectTtl: true }, undefined, 5000],
    ['a TTL below the rate', { respectTtl: true }, 1000, 1000],
    ['the least wait', { respectTtl: true, minRefreshRateMs: 3000 }, 1000, 3000],
    ['the rate, whatever the least wait', { minRefreshRateMs: 30_000 }, 1000, 5000],
    ['a day at most', { respectTtl: true }, Number.MAX_SAFE_INTEGER, 86_400_000],
    ['half the jitter more', { jitterMs: 1000 }, undefined, 5500],
    ['half the jitter more than the TTL', { respectTtl: true, jitterMs: 1000 }, 30_000, 30_500],
  ];
  for (const [what, dns, ttlMs, expectedMs] of ttlRows) {
    t.test(`waits ${what}`, (t) => {
      const plain = { lookupFamily: 'V4_ONLY', refreshRateMs: 5000, respectTtl: false } as const;
      const { resolver, waitsMs } = setUp({ dns: { ...plain, ...dns } });
      t.match(resolver.open, [{ family: 'V4_ONLY' }]);
      resolver.answer('a.test', ['10.0.0.1'], ttlMs);
      t.ok(waitsMs(expectedMs), `${expectedMs} ms`);
      t.end();
    });
  }

  t.test('waits the rate after an empty answer', (t) => {
    const dns = { lookupFamily: 'AUTO', refreshRateMs: 5000, respectTtl: true } as const;
    const { resolver, waitsMs } = setUp({ dns });
    resolver.answer('a.test', [], 30_000);
    t.ok(waitsMs(5000));
    t.end();
  });

  t.test('backs off after failures, jittered, and begins anew after an answer', (t) => {
    const dns = {
      lookupFamily: 'AUTO',
      refreshRateMs: 60_000,
      respectTtl: false,
      failureRefresh: { baseMs: 2000, maxMs: 6000 },
    } as const;
    const { resolver, waitsMs } = setUp({ dns }, 0.5, 0.5, 0.5, 0.999, 0.25, 0, 0.25);
    for (const expectedMs of [1000, 2000, 3000, 5994]) {
      resolver.fail('a.test');
      t.ok(waitsMs(expectedMs), `${expectedMs} ms`);
    }
    resolver.answer('a.test', ['10.0.0.1']);
    t.ok(waitsMs(60_000));
    resolver.fail('a.test');
    t.ok(waitsMs(1), 'never at once');
    resolver.fail('a.test');
    t.ok(waitsMs(1000), 'the interval doubled from its base');
    t.end();
  });

  t.test('waits the rate after a failure where nothing else is said, without jitter', (t) => {
    const dns = {
      lookupFamily: 'AUTO',
      refreshRateMs: 3000,
      respectTtl: true,
      jitterMs: 1000,
    } as const;
    const { resolver, waitsMs } = setUp({ dns });
    resolver.fail('a.test');
    t.ok(waitsMs(3000));
    t.end();
  });

  t.test('counts as Envoy does', (t) => {
    const { resolver, time, counts } = setUp();
    resolver.answer('a.test', ['10.0.0.1']);
    t.same(counts(), ['ask', 'success']);
    time.advance(5000);
    resolver.answer('a.test', ['10.0.0.1']);
    t.same(counts(), ['ask', 'success', 'unchanged']);
    time.advance(5000);
    resolver.fail('a.test');
    t.same(counts(), ['ask', 'failure']);
    t.end();
  });

  t.test('has one logical host, which keeps its further addresses and its place', (t) => {
    const { resolver, take, time, counts } = setUp({ type: 'LOGICAL_DNS' });
    resolver.answer('a.test', ['10.0.0.1', '10.0.0.2', '::1']);
    t.same(take(), ['10.0.0.1+10.0.0.2+::1=a.test']);
    time.advance(5000);
    resolver.answer('a.test', ['10.0.0.2', '10.0.0.1', '::1']);
    t.same(take(), ['10.0.0.2+10.0.0.1+::1=a.test'], 'the order counts');
    time.advance(5000);
    counts();
    resolver.answer('a.test', []);
    t.same(take(), [], 'an empty answer is a failure');
    t.same(counts(), ['failure']);
    t.end();
  });

  t.test('is silent after close', (t) => {
    const { cluster, resolver, time } = setUp();
    resolver.answer('a.test', ['10.0.0.1']);
    cluster.close();
    time.advance(60_000);
    t.equal(resolver.asked, 1);
    t.equal(time.pending, 0);
    t.end();
  });
  t.end();
});
