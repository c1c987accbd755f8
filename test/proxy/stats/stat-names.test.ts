// The table of stats against what the code registers, and docs/stats.md against the table.
import { readFileSync } from 'node:fs';
import t from 'tap';
import { createHttpFilterFactory } from '../../../proxy/filters/registry.ts';
import { RouterHarness } from '../../support/router-harness.ts';
import { listener, managerListener, managerOf, routerFilter } from '../xds/decoding.ts';
import type { Json } from '../xds/decoding.ts';
import { LogFileStats } from '../../../proxy/access-log/log-file-stats.ts';
import { ConnManagerStats } from '../../../proxy/http/conn-manager-stats.ts';
import { Http2Stats } from '../../../proxy/http/http2/http2-stats.ts';
import { ListenerManagerStats } from '../../../proxy/listener-manager/listener-manager-stats.ts';
import { ListenerStats } from '../../../proxy/listener-manager/listener-stats.ts';
import { RouterStats } from '../../../proxy/router/router-stats.ts';
import { ScopeStats } from '../../../proxy/router/scope-stats.ts';
import { ServerStats } from '../../../proxy/server/server-stats.ts';
import { STAT_GROUPS } from '../../../proxy/stats/stat-names.ts';
import { statsDocument } from '../../../proxy/stats/stats-document.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { SslStats } from '../../../proxy/tls/ssl-stats.ts';
import { ClusterManagerStats } from '../../../proxy/upstream/cluster-manager-stats.ts';
import { HealthStats } from '../../../proxy/upstream/health-stats.ts';
import { OutlierStats } from '../../../proxy/upstream/outlier-stats.ts';
import { ClusterStats } from '../../../proxy/upstream/cluster-stats.ts';
import {
  LB_COUNTERS,
  LB_GAUGES,
  LbStats,
} from '../../../proxy/upstream/load-balancing/lb-stats.ts';
import { ControlPlaneStats, SubscriptionStats } from '../../../proxy/xds/subscription-stats.ts';

/** `<n>` and its like match one part of a name. */
const escape = (text: string): string => text.replace(/[.]/g, '\\.').replace(/<\w+>/g, '[^.]+');
const known = STAT_GROUPS.flatMap(({ prefix, rows }) =>
  rows.map(({ name, kind }) => ({ kind, pattern: new RegExp(`^${escape(prefix + name)}$`) })),
);

/** Filters of many stats, with each library and each prefix they may have. */
function registerFilterStats(store: StatsStore): void {
  const compression = (kind: string, side: string): Json => ({
    name: 'lib',
    typed_config: {
      '@type': `type.googleapis.com/envoy.extensions.compression.${kind.toLowerCase()}.${side}.v3.${kind}`,
    },
  });
  const filter = (type: string, config: Json): Json => ({
    name: 'f',
    typed_config: {
      '@type': `type.googleapis.com/envoy.extensions.filters.http.${type}`,
      ...config,
    },
  });
  const http_filters = [
    ...['Gzip', 'Brotli', 'Zstd'].flatMap((kind) => [
      filter('compressor.v3.Compressor', { compressor_library: compression(kind, 'compressor') }),
      filter('compressor.v3.Compressor', {
        compressor_library: compression(kind, 'compressor'),
        response_direction_config: {},
      }),
      filter('decompressor.v3.Decompressor', {
        decompressor_library: compression(kind, 'decompressor'),
      }),
    ]),
    filter('csrf.v3.CsrfPolicy', { filter_enabled: { default_value: {} } }),
    filter('health_check.v3.HealthCheck', { pass_through_mode: true }),
    filter('header_to_metadata.v3.Config', { stat_prefix: 'p' }),
    filter('set_metadata.v3.Config', {}),
    filter('fault.v3.HTTPFault', {}),
    filter('cors.v3.Cors', {}),
    filter('local_ratelimit.v3.LocalRateLimit', { stat_prefix: 'p' }),
    filter('ext_authz.v3.ExtAuthz', {
      stat_prefix: 'p',
      http_service: { server_uri: { uri: 'http://a', cluster: 'a', timeout: '1s' } },
    }),
    routerFilter,
  ];
  const { context } = new RouterHarness();
  for (const config of managerOf(listener(managerListener({ http_filters }))).httpFilters)
    createHttpFilterFactory(config, { ...context, stats: store });
}

t.test('stat names', (t) => {
  t.test('are all in the table', (t) => {
    const store = new StatsStore();
    new ConnManagerStats(store, 'p', '0_0_0_0_80');
    new ListenerStats(store, '0_0_0_0_80', 0);
    const cluster = new ClusterStats(store, 'c');
    const { all, internal, external, canary, retry } = cluster;
    for (const codes of [all, internal, external, canary, retry, cluster.zone('a', 'b')]) {
      codes.charge(503);
      if (codes !== retry && codes !== canary) codes.recordTime(1);
    }
    const statWanted = () => true;
    new ClusterManagerStats({ stats: store, statWanted, statsHidden: () => () => false });
    new HealthStats(store, 'c', () => true);
    new OutlierStats(store, 'c', () => true);
    new ListenerManagerStats(store);
    new RouterStats(store, 'p');
    for (const prefix of ['vhost.v.vcluster.c.', 'vhost.v.route.r.']) {
      const { codes } = new ScopeStats(store, prefix);
      codes.charge(503);
      codes.recordTime(1);
    }
    new ServerStats(store);
    new Http2Stats(store, '');
    new Http2Stats(store, 'cluster.c.');
    for (const scope of ['listener.0_0_0_0_80', 'cluster.c']) {
      const ssl = new SslStats(store, scope);
      ssl.count('versions', 'TLSv1_3');
      ssl.setExpiration('cert', 'default', [{ validToMs: 1 }]);
    }
    new LogFileStats(store);
    new ControlPlaneStats(store, '');
    new ControlPlaneStats(store, 'sds.default.');
    new SubscriptionStats(store, 'sds.default.');
    new SubscriptionStats(store, 'cluster_manager.cds.');
    new SubscriptionStats(store, 'extension_config_discovery.http_filter.f.');
    registerFilterStats(store);
    const balancing = new LbStats(store, 'cluster.c.');
    for (const name of LB_COUNTERS) balancing.inc(name);
    for (const name of LB_GAUGES) balancing.set(name, 1);
    const missing: string[] = [];
    for (let id = 0; id < store.size; id++) {
      const { name, kind } = store.definition(id);
      if (!known.some((row) => row.kind === kind && row.pattern.test(name)))
        missing.push(`${kind} ${name}`);
    }
    t.same(missing, []);
    t.end();
  });

  t.test('have a meaning and stand once in the table', (t) => {
    const names = STAT_GROUPS.flatMap(({ prefix, rows }) => rows.map(({ name }) => prefix + name));
    t.equal(new Set(names).size, names.length);
    t.ok(
      STAT_GROUPS.every(({ rows }) =>
        rows.every(({ name, meaning }) => name !== '' && meaning !== ''),
      ),
    );
    t.end();
  });

  t.test('are what docs/stats.md says', (t) => {
    t.equal(
      readFileSync(new URL('../../../docs/stats.md', import.meta.url), 'utf8'),
      statsDocument(),
    );
    t.end();
  });
  t.end();
});
