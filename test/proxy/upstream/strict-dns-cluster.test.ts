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

function setUp(changes: Partial<ClusterConfig> = {}) {
  const seen: string[] = [];
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
    events: {
      onHosts: (localities) => {
        const hosts = localities.flatMap((l) => l.endpoints);
        seen.push(
          hosts
            .map((e) => (e.address.kind === 'ip' ? `${e.address.address}=${e.hostname}` : ''))
            .join(' '),
        );
      },
      onAnswer: () => {},
    },
  });
  cluster.start();
  return { cluster, time, resolver, take: () => seen.splice(0) };
}

t.test('StrictDnsCluster', (t) => {
  t.test('reports when every name was tried once', (t) => {
    const { resolver, take } = setUp({ localities: names('a.test', 'b.test', '10.0.0.7') });
    resolver.answer('a.test', ['10.0.0.1']);
    t.same(take(), []);
    resolver.fail('b.test');
    t.same(take(), ['10.0.0.1=a.test 10.0.0.7=']);
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

  const ttlRows: readonly (readonly [number | undefined, boolean, number])[] = [
    [30_000, true, 30_000],
    [30_000, false, 5000],
    [0, true, 5000],
    [undefined, true, 5000],
    [1, true, 500],
    [Number.MAX_SAFE_INTEGER, true, 86_400_000],
  ];
  for (const [ttlMs, respectTtl, expectedMs] of ttlRows) {
    t.test(
      `waits ${expectedMs} ms after TTL ${ttlMs}${respectTtl ? '' : ' that is not respected'}`,
      (t) => {
        const dns = { lookupFamily: 'V4_ONLY', refreshRateMs: 5000, respectTtl } as const;
        const { resolver, time } = setUp({ dns });
        t.match(resolver.open, [{ family: 'V4_ONLY', wantTtl: respectTtl }]);
        resolver.answer('a.test', ['10.0.0.1'], ttlMs);
        time.advance(expectedMs - 1);
        t.equal(resolver.open.length, 0);
        time.advance(1);
        t.equal(resolver.open.length, 1);
        t.end();
      },
    );
  }

  t.test('uses one address of a logical host, and keeps it through an empty answer', (t) => {
    const { resolver, take, time } = setUp({ type: 'LOGICAL_DNS' });
    resolver.answer('a.test', ['10.0.0.1', '10.0.0.2']);
    t.same(take(), ['10.0.0.1=a.test']);
    time.advance(5000);
    resolver.answer('a.test', []);
    t.same(take(), []);
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
