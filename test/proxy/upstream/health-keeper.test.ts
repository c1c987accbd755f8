// The health of a cluster's hosts through updates: what its checks and its detector find out, what workers are told.
import t from 'tap';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { Runtime } from '../../../proxy/base/runtime.ts';
import type { ClusterConfig } from '../../../proxy/config/cluster-config.ts';
import type { EndpointConfig } from '../../../proxy/config/endpoint-config.ts';
import { HostHealthBook } from '../../../proxy/server/host-health-book.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { addressText } from '../../../proxy/upstream/host.ts';
import { HealthFlag } from '../../../proxy/upstream/host-health.ts';
import { HealthKeepers } from '../../../proxy/upstream/health-keepers.ts';
import { HealthPacer } from '../../../proxy/upstream/health-pacer.ts';
import type { ProbeOwner } from '../../../proxy/upstream/health-probe.ts';
import { ProbeResult } from '../../../proxy/upstream/health-probe.ts';
import { sampleCluster, sampleEndpoint, sampleLocality } from '../../support/config-samples.ts';
import { sampleCheck, sampleOutliers } from '../../support/health-samples.ts';
import { SimulatedTime } from '../../support/simulated-time.ts';

const { FailedActiveCheck, FailedOutlierCheck, PendingRemoval, PendingFirstCheck } = HealthFlag;

const at = (...ips: readonly (string | EndpointConfig)[]) => [
  sampleLocality(ips.map((ip) => (typeof ip === 'string' ? sampleEndpoint(ip, 80) : ip))),
];

function setUp() {
  const time = new SimulatedTime();
  const stats = new StatsStore();
  const book = new HostHealthBook();
  const probes = new Map<string, ProbeOwner>();
  const lines: string[] = [];
  const keepers = new HealthKeepers({
    time,
    random: new SeededRandom(1),
    runtime: Runtime.EMPTY,
    pacer: new HealthPacer(time),
    stats,
    statWanted: () => true,
    sink: {
      publishHostHealth: (cluster, health) => book.put(cluster, health),
      forgetHostHealth: (cluster, address) => book.forget(cluster, address),
      resetHostHealth: (cluster) => book.reset(cluster),
      takeOutlierSlot: () => book.takeSlot(),
      releaseOutlierSlot: (slot) => book.reclaimSlot(slot),
    },
    outlierCounts: new Int32Array(book.outlierCounts),
    outlierLog: (line) => void lines.push(line),
    openLog: () => (line) => void lines.push(line),
    problemOf: () => undefined,
    probesFor: () => (endpoint, owner) => {
      const key = addressText(endpoint.address);
      probes.set(key, owner);
      return { start: () => {}, abort: () => {}, close: () => void probes.delete(key) };
    },
    close: () => {},
  });
  const told: string[] = [];
  const keeper = (changes: Partial<ClusterConfig>) =>
    keepers.create(sampleCluster('c', { type: 'EDS', ...changes }), {
      onReady: () => void told.push('ready'),
      onHostsChanged: () => void told.push('hosts'),
      onHealthChanged: () => {},
    })!;
  const answer = (ip: string, result: ProbeResult): void =>
    probes.get(`${ip}:80`)!.onProbeResult(result, 0);
  /** What workers were told since the last call, as `address flags slot`. */
  const news = (): string[] =>
    book
      .takeChanged()
      .flatMap(({ reset, hosts }) => [
        ...(reset ? ['reset'] : []),
        ...hosts.map((host) => `${host.address} ${host.flags} ${host.outlierSlot}`),
      ]);
  const gauge = (name: string): number => stats.value(stats.gauge(`cluster.c.${name}`));
  return { time, keepers, keeper, answer, news, told, lines, probes, book, gauge };
}

t.test('HealthKeeper', (t) => {
  t.test('is ready when each host was checked once, however that went', (t) => {
    const { keeper, answer, told, news } = setUp();
    const health = keeper({ healthCheck: sampleCheck() });
    t.notOk(health.ready, 'not before endpoints came');
    health.update(at('1.1.1.1', '1.1.1.2'));
    t.notOk(health.ready);
    answer('1.1.1.1', ProbeResult.Healthy);
    t.strictSame(told, []);
    answer('1.1.1.2', ProbeResult.Network);
    t.strictSame(told, ['ready']);
    t.ok(health.ready);
    t.strictSame(news(), [], 'workers hear nothing before they have the cluster');
    health.activate(undefined);
    t.strictSame(news(), ['reset', '1.1.1.1:80 0 -1', `1.1.1.2:80 ${FailedActiveCheck} -1`]);
    t.strictSame(health.census, { total: 2, healthy: 1, degraded: 0, excluded: 0 });
    t.end();
  });

  t.test('does not wait for hosts that are gone, and not for those nobody checks', (t) => {
    const { keeper, answer } = setUp();
    const health = keeper({ healthCheck: sampleCheck() });
    const unchecked = {
      ...sampleEndpoint('1.1.1.3', 80),
      healthCheck: { port: 0, hostname: '', disabled: true },
    };
    health.update(at('1.1.1.1', '1.1.1.2', unchecked));
    answer('1.1.1.1', ProbeResult.Healthy);
    t.notOk(health.ready);
    health.update(at('1.1.1.1', unchecked));
    t.ok(health.ready);
    t.equal(health.host('1.1.1.3:80')!.flags, 0);
    t.equal(health.host('1.1.1.3:80')!.session, null);
    t.end();
  });

  t.test('keeps a host that is gone while its checks pass', (t) => {
    const { keeper, answer, told, news } = setUp();
    const health = keeper({ healthCheck: sampleCheck() });
    health.update(at('1.1.1.1', '1.1.1.2'));
    answer('1.1.1.1', ProbeResult.Healthy);
    answer('1.1.1.2', ProbeResult.Healthy);
    health.activate(undefined);
    news();
    health.update(at('1.1.1.2'));
    t.strictSame(
      health.localities.flatMap(({ endpoints }) => endpoints.map((e) => addressText(e.address))),
      ['1.1.1.2:80', '1.1.1.1:80'],
    );
    t.strictSame(news(), [`1.1.1.1:80 ${PendingRemoval} -1`]);
    answer('1.1.1.1', ProbeResult.Failed);
    t.strictSame(told, ['ready', 'hosts']);
    t.equal(health.localities[0]!.endpoints.length, 1);
    t.equal(health.host('1.1.1.1:80'), undefined);
    t.end();
  });

  t.test('lets it come back, and lets an unhealthy one go at once', (t) => {
    const { keeper, answer } = setUp();
    const health = keeper({ healthCheck: sampleCheck() });
    health.update(at('1.1.1.1', '1.1.1.2'));
    answer('1.1.1.1', ProbeResult.Healthy);
    answer('1.1.1.2', ProbeResult.Network);
    health.activate(undefined);
    health.update([]);
    t.equal(health.host('1.1.1.2:80'), undefined);
    health.update(at('1.1.1.1'));
    t.equal(health.host('1.1.1.1:80')!.flags, 0);
    t.end();
  });

  t.test('removes at once where it is told to', (t) => {
    const { keeper, answer } = setUp();
    const health = keeper({ healthCheck: sampleCheck(), ignoreHealthOnHostRemoval: true });
    health.update(at('1.1.1.1'));
    answer('1.1.1.1', ProbeResult.Healthy);
    health.activate(undefined);
    health.update([]);
    t.equal(health.census.total, 0);
    t.end();
  });

  t.test('does not count new hosts before their first check, where it is told so', (t) => {
    const { keeper, answer } = setUp();
    const health = keeper({ healthCheck: sampleCheck(), ignoreNewHostsUntilFirstCheck: true });
    health.update(at('1.1.1.1'));
    t.equal(health.host('1.1.1.1:80')!.flags, FailedActiveCheck | PendingFirstCheck);
    t.equal(health.census.excluded, 1);
    answer('1.1.1.1', ProbeResult.Network);
    t.equal(health.census.excluded, 0);
    t.end();
  });

  t.test('begins anew when a host is to be checked elsewhere', (t) => {
    const { keeper, answer } = setUp();
    const health = keeper({ healthCheck: sampleCheck() });
    health.update(at('1.1.1.1'));
    answer('1.1.1.1', ProbeResult.Healthy);
    health.activate(undefined);
    const moved = {
      ...sampleEndpoint('1.1.1.1', 80),
      healthCheck: { port: 81, hostname: '', disabled: false },
    };
    health.update(at(moved));
    t.equal(health.host('1.1.1.1:80')!.flags, FailedActiveCheck);
    answer('1.1.1.1', ProbeResult.Healthy);
    t.equal(health.host('1.1.1.1:80')!.flags, 0);
    t.end();
  });

  t.test('counts hosts that pass and those that are degraded', (t) => {
    const { keeper, answer, gauge } = setUp();
    const health = keeper({ healthCheck: sampleCheck() });
    health.update(at('1.1.1.1', '1.1.1.2'));
    answer('1.1.1.1', ProbeResult.Healthy);
    answer('1.1.1.2', ProbeResult.Degraded);
    t.equal(gauge('health_check.healthy'), 2);
    t.equal(gauge('health_check.degraded'), 1);
    health.close();
    t.equal(gauge('health_check.healthy'), 0);
    t.end();
  });

  t.test('keeps ejections through updates of endpoints and of the cluster', (t) => {
    const { keepers, keeper, news, lines, gauge, time } = setUp();
    const first = keeper({ outlierDetection: sampleOutliers() });
    first.update(at('1.1.1.1', '1.1.1.2'));
    t.ok(first.ready, 'nothing is to be waited for');
    keepers.handOver(undefined, first);
    t.strictSame(news(), ['reset', '1.1.1.1:80 0 0', '1.1.1.2:80 0 1']);
    keepers.onHostEvent('c', '1.1.1.1:80', 'CONSECUTIVE_5XX');
    t.strictSame(news(), [`1.1.1.1:80 ${FailedOutlierCheck} 0`]);
    first.update(at('1.1.1.1', '1.1.1.3'));
    t.strictSame(news(), ['1.1.1.3:80 0 2']);
    const second = keeper({ outlierDetection: sampleOutliers({ intervalMs: 5000 }) });
    second.update(at('1.1.1.1', '1.1.1.3'));
    keepers.handOver(first, second);
    first.close();
    t.strictSame(news(), ['reset', `1.1.1.1:80 ${FailedOutlierCheck} 0`, '1.1.1.3:80 0 2']);
    t.equal(gauge('outlier_detection.ejections_active'), 1);
    time.advance(30_000);
    t.equal(second.host('1.1.1.1:80')!.flags, 0);
    t.match(lines.join(''), /"action":"EJECT"[^\n]*\n.*"action":"UNEJECT"/);
    keepers.handOver(second, undefined);
    t.strictSame(news(), ['reset']);
    keepers.onHostEvent('c', '1.1.1.1:80', 'CONSECUTIVE_5XX');
    t.strictSame(news(), []);
    t.end();
  });

  t.test('brings an ejected host back when its check passes', (t) => {
    const { keepers, keeper, answer } = setUp();
    const health = keeper({ healthCheck: sampleCheck(), outlierDetection: sampleOutliers() });
    health.update(at('1.1.1.1'));
    answer('1.1.1.1', ProbeResult.Healthy);
    keepers.handOver(undefined, health);
    keepers.onHostEvent('c', '1.1.1.1:80', 'CONSECUTIVE_5XX');
    t.equal(health.host('1.1.1.1:80')!.flags, FailedOutlierCheck);
    answer('1.1.1.1', ProbeResult.Healthy);
    t.equal(health.host('1.1.1.1:80')!.flags, 0);
    keepers.onHostEvent('c', '1.1.1.1:80', 'IMMEDIATE_FAIL');
    t.equal(health.host('1.1.1.1:80')!.flags, FailedActiveCheck | HealthFlag.ExcludedByResponse);
    t.end();
  });

  t.test('writes events as Envoy does', (t) => {
    const { keeper, answer, lines } = setUp();
    const log = { paths: ['/x'], alwaysFailures: false, alwaysSuccess: false };
    const health = keeper({ healthCheck: sampleCheck({ log }) });
    health.update(at('1.1.1.1'));
    answer('1.1.1.1', ProbeResult.Healthy);
    answer('1.1.1.1', ProbeResult.Failed);
    const head = `{"health_checker_type":"TCP","host":{"socket_address":{"protocol":"TCP","address":"1.1.1.1","port_value":80,"resolver_name":"","ipv4_compat":false,"network_namespace_filepath":""}},"cluster_name":"c",`;
    const tail = `"timestamp":"2001-09-09T01:46:40.000Z","locality":{"region":"","zone":"","sub_zone":""}}\n`;
    t.strictSame(lines, [
      `${head}"add_healthy_event":{"first_check":true},${tail}`,
      `${head}"eject_unhealthy_event":{"failure_type":"ACTIVE","http_status_code":0},${tail}`,
    ]);
    t.end();
  });
  t.end();
});
