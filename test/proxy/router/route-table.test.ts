// [b] Virtual hosts and routes (envoy-behaviour §3.1, §3.2).
import t from 'tap';
import type {
  HeaderMatchConfig,
  HeaderTestConfig,
  StringMatchConfig,
} from '../../../proxy/config/matcher-config.ts';
import type { RouteMatchConfig } from '../../../proxy/config/route-config.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { Runtime } from '../../../proxy/base/runtime.ts';
import { NO_ENVIRONMENT } from '../../../proxy/router/route-environment.ts';
import { CompiledRouteTable } from '../../../proxy/router/route-table.ts';
import { RouteEntry } from '../../../proxy/router/route-entry.ts';
import { countIn } from '../../../proxy/router/scope-stats.ts';
import type { WeightedClustersConfig } from '../../../proxy/router/weighted-clusters.ts';
import { StatsStore } from '../../../proxy/stats/store.ts';
import { RouteTableSlot } from '../../../proxy/router/route-table-slot.ts';
import { faultConfig } from '../../support/filter-samples.ts';
import {
  request,
  routeAction,
  routeConfig,
  routeEntry,
  routeMatch,
  streamInfo,
  virtualHost,
} from '../../support/route-samples.ts';

const exact = (value: string, ignoreCase = false): StringMatchConfig => ({
  kind: 'exact',
  value,
  ignoreCase,
});
const text = (match: StringMatchConfig): HeaderTestConfig => ({ kind: 'string', match });

function header(
  name: string,
  test: HeaderTestConfig,
  changes: Partial<HeaderMatchConfig> = {},
): HeaderMatchConfig {
  return { name, test, invert: false, treatMissingAsEmpty: false, ...changes };
}

/** A table whose only route has this match. */
function tableOf(match: Partial<RouteMatchConfig>): CompiledRouteTable {
  return new CompiledRouteTable(
    routeConfig([virtualHost({ routes: [routeEntry({ match: routeMatch(match) })] })]),
  );
}

t.test('CompiledRouteTable', async (t) => {
  t.test('finds the virtual host: exact, longest suffix, longest prefix, default', async (t) => {
    const names = ['www.foo.com', '*.foo.com', '*-bar.foo.com', '*.com', 'foo.*', 'foo.bar.*', '*'];
    const table = new CompiledRouteTable(
      routeConfig(names.map((name) => virtualHost({ name, domains: [name] }))),
    );
    const cases: [string, string][] = [
      ['www.foo.com', 'www.foo.com'],
      ['WWW.Foo.Com', 'www.foo.com'],
      ['a.foo.com', '*.foo.com'],
      ['a-bar.foo.com', '*-bar.foo.com'],
      ['foo.com', '*.com'],
      ['-bar.foo.com', '*.foo.com'],
      ['.com', '*'],
      ['foo.net', 'foo.*'],
      ['foo.com:82', 'foo.*'],
      ['foo.bar.org', 'foo.bar.*'],
      ['foo.', '*'],
      ['other', '*'],
      ['', '*'],
    ];
    for (const [authority, expected] of cases)
      t.equal(table.virtualHostFor(authority)?.name, expected, authority);
  });

  t.test('finds nothing where no domain fits', async (t) => {
    const table = new CompiledRouteTable(
      routeConfig([virtualHost({ domains: ['foo.com', '*.foo.com'] })]),
    );
    for (const authority of ['foo.com:82', 'bar.com', '.foo.com', '']) {
      t.equal(table.route(request([[':authority', authority]]), streamInfo()), null, authority);
    }
  });

  t.test('ignores the port where asked to', async (t) => {
    const config = routeConfig([virtualHost({ domains: ['foo.com', '[::1]'] })], {
      ignorePortInHostMatching: true,
    });
    const table = new CompiledRouteTable(config);
    const authorities = ['foo.com:82', 'FOO.com:82', 'foo.com', 'foo.com:x', '[::1]:80', '[::1]'];
    for (const authority of authorities) {
      t.equal(table.virtualHostFor(authority)?.name, 'vhost', authority);
    }
  });

  t.test('refuses a domain named twice', async (t) => {
    const two = (domain: string, other: string): (() => CompiledRouteTable) => {
      const hosts = [virtualHost({ domains: [domain] }), virtualHost({ domains: [other] })];
      return () => new CompiledRouteTable(routeConfig(hosts));
    };
    t.throws(two('a.com', 'a.com'), {
      message: /virtual_hosts\[1\]\.domains: Only unique values .* domain a\.com in route routes/,
    });
    t.throws(two('*.a', '*.a'), { message: /Only unique values/ });
    t.throws(two('*', '*'), {
      message: /Only a single wildcard domain is permitted in route routes/,
    });
  });

  t.test('cuts path parameters where asked to', async (t) => {
    const entry = routeEntry({ match: routeMatch({ path: { kind: 'path', value: '/a' } }) });
    const table = (cut: boolean): CompiledRouteTable =>
      new CompiledRouteTable(
        routeConfig([virtualHost({ routes: [entry] })], {
          ignorePathParametersInPathMatching: cut,
        }),
      );
    t.ok(table(true).route(request([[':path', '/a;v=1?q']]), streamInfo()));
    t.notOk(table(false).route(request([[':path', '/a;v=1?q']]), streamInfo()));
  });

  t.test('takes the first route that matches and says why others lost', async (t) => {
    const routes = [
      routeEntry({ name: 'api', match: routeMatch({ path: { kind: 'prefix', value: '/api' } }) }),
      routeEntry({
        name: 'jason',
        match: routeMatch({ headers: [header('end-user', text(exact('jason')))] }),
      }),
      routeEntry({ name: 'rest' }),
      routeEntry({ name: 'never' }),
    ];
    const table = new CompiledRouteTable(routeConfig([virtualHost({ routes })]));
    const headers = request([[':path', '/x']]);
    t.equal(table.route(headers, streamInfo())?.name, 'rest');
    t.same(table.explain(headers, streamInfo()), [
      "virtual_hosts[0] 'vhost' has the domain",
      "virtual_hosts[0].routes[0] 'api' needs path prefix '/api'",
      "virtual_hosts[0].routes[1] 'jason' needs header end-user exact 'jason'",
      "virtual_hosts[0].routes[2] 'rest' matches",
    ]);
  });

  t.test('names the place of a bad regex', async (t) => {
    t.throws(() => tableOf({ path: { kind: 'regex', pattern: '(' } }), {
      message: /^virtual_hosts\[0\]\.routes\[0\]\.match\.safe_regex: Invalid regex '\('/,
    });
    t.throws(() => tableOf({ headers: [header('x', text({ kind: 'regex', pattern: '(?!a)' }))] }), {
      message: /^virtual_hosts\[0\]\.routes\[0\]\.match\.headers\[0\]: Invalid regex/,
    });
    t.throws(() => tableOf({ path: { kind: 'regex', pattern: '((a{999}){100})' } }), {
      message: /regex/i,
    });
  });

  t.test('splits by weight', async (t) => {
    const weights = [80, 15, 5];
    const clusters = weights.map((weight, i) => ({
      name: `v${i}`,
      weight,
      headers: { requestAdd: [], requestRemove: [], responseAdd: [], responseRemove: [] },
      perFilter: [],
      hostRewriteLiteral: undefined,
    }));
    const action = routeAction({ cluster: { kind: 'weighted', clusters, headerName: undefined } });
    const table = new CompiledRouteTable(
      routeConfig([virtualHost({ routes: [routeEntry({ action })] })]),
    );
    const random = new SeededRandom(42);
    const counts = new Map<string, number>();
    const headers = request();
    for (let i = 0; i < 10_000; i++) {
      const info = streamInfo(random.nextUint32());
      const name = table.route(headers, info)!.clusterName;
      if (table.route(headers, info)!.clusterName !== name)
        t.fail('another answer for the same stream');
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    const chiSquare = weights.reduce((sum, weight, i) => {
      const expected = weight * 100;
      return sum + ((counts.get(`v${i}`) ?? 0) - expected) ** 2 / expected;
    }, 0);
    t.ok(
      chiSquare < 13.8,
      `chi square ${chiSquare} for two degrees of freedom (p = 0.001 at 13.8)`,
    );
  });

  t.test('takes the weighted choice from a header', async (t) => {
    const cluster = (name: string, weight: number) => ({
      name,
      weight,
      headers: { requestAdd: [], requestRemove: [], responseAdd: [], responseRemove: [] },
      perFilter: [],
      hostRewriteLiteral: undefined,
    });
    const clusters = [cluster('a', 10), cluster('b', 0), cluster('c', 90)];
    const action = routeAction({ cluster: { kind: 'weighted', clusters, headerName: 'x-pick' } });
    const table = new CompiledRouteTable(
      routeConfig([virtualHost({ routes: [routeEntry({ action })] })]),
    );
    const pick = (value: string, random: number): string => {
      const headers = request([['x-pick', value]]);
      const info = streamInfo(random);
      return table.route(headers, info)!.clusterName;
    };
    t.equal(pick('9', 50), 'a');
    t.equal(pick('10', 5), 'c');
    t.equal(pick('18446744073709551615', 5), 'c', '2^64-1 % 100 = 15');
    t.equal(pick('18446744073709551616', 5), 'a', 'too large: the stream decides');
    t.equal(pick('-1', 5), 'a');
    t.equal(pick('x', 5), 'a');
  });

  t.test(
    'takes weights from the runtime, the choice from a hash, a cluster from a header',
    async (t) => {
      const cluster = (name: string, weight: number, clusterHeader?: string) => ({
        name,
        weight,
        clusterHeader,
        headers: { requestAdd: [], requestRemove: [], responseAdd: [], responseRemove: [] },
        perFilter: [],
        hostRewriteLiteral: undefined,
      });
      const runtime = new Runtime(new Map([['w.b', '100']]));
      const taken = (
        weighted: Partial<WeightedClustersConfig>,
        lines: readonly (readonly [string, string])[] = [],
      ): string => {
        const action = routeAction({
          cluster: {
            kind: 'weighted',
            clusters: [cluster('a', 100), cluster('b', 0)],
            headerName: undefined,
            ...weighted,
          },
          hashPolicy: [{ kind: 'header', name: 'x-k', rewrite: undefined, terminal: false }],
        });
        const config = routeConfig([virtualHost({ routes: [routeEntry({ action })] })]);
        const table = new CompiledRouteTable(config, { ...NO_ENVIRONMENT, runtime });
        return table.route(request(lines), streamInfo(150))!.clusterName;
      };
      t.equal(taken({}), 'a');
      t.equal(
        taken({ clusters: [cluster('a', 100), cluster('b', 0)], runtimeKeyPrefix: 'w' }),
        'b',
      );
      const halves = { clusters: [cluster('a', 50), cluster('b', 50)], useHashPolicy: true };
      const hashed = ['a', 'b', 'c', 'd', 'e', 'f'].map((key) => taken(halves, [['x-k', key]]));
      t.same(hashed, ['b', 'b', 'a', 'b', 'b', 'a'], 'as Envoy 1.40 chose');
      const named = { clusters: [cluster('', 1, 'x-c')] };
      t.equal(taken(named, [['x-c', 'mine']]), 'mine');
      t.equal(taken(named), '');
      const nothing = { clusters: [cluster('b', 0), cluster('c', 0)], runtimeKeyPrefix: 'x' };
      t.throws(() => taken(nothing), { message: /Sum of weights .* must be greater than 0/ });
    },
  );

  t.test('counts by virtual cluster and by route', async (t) => {
    const stats = new StatsStore();
    const present = header('x-a', { kind: 'present', present: true });
    const virtualClusters = [{ name: 'first', headers: [present] }];
    const routes = [routeEntry({ statPrefix: 'mine' })];
    const config = routeConfig([virtualHost({ virtualClusters, routes })]);
    const table = new CompiledRouteTable(config, { ...NO_ENVIRONMENT, stats });
    const counted = (lines: readonly (readonly [string, string])[]): [string, number] => {
      const headers = request(lines);
      const info = streamInfo();
      const scopes = (table.route(headers, info) as RouteEntry).statsScopes(headers, info);
      countIn(scopes, 'total');
      return [info.virtualClusterName, scopes!.length];
    };
    t.same(counted([['x-a', '1']]), ['first', 2]);
    t.same(counted([]), ['', 2], 'the one that takes the rest has no name in logs');
    const total = (scope: string): number =>
      stats.value(stats.counter(`vhost.vhost.${scope}.upstream_rq_total`));
    t.same([total('vcluster.first'), total('vcluster.other'), total('route.mine')], [1, 1, 2]);
  });

  t.test('redirects to https where TLS is required', async (t) => {
    const table = (requireTls: 'ALL' | 'EXTERNAL_ONLY'): CompiledRouteTable =>
      new CompiledRouteTable(routeConfig([virtualHost({ requireTls })]));
    const plain = request([['x-forwarded-proto', 'http']]);
    t.notOk(table('ALL').route(plain, streamInfo()) instanceof RouteEntry);
    t.ok(
      table('ALL').route(request([['x-forwarded-proto', 'https']]), streamInfo()) instanceof
        RouteEntry,
    );
    const internal = request([
      ['x-forwarded-proto', 'http'],
      ['x-envoy-internal', 'true'],
    ]);
    t.ok(table('EXTERNAL_ONLY').route(internal, streamInfo()) instanceof RouteEntry);
    t.notOk(table('ALL').route(internal, streamInfo()) instanceof RouteEntry);
    t.equal(table('ALL').route(request([['x-forwarded-proto', '']]), streamInfo()), null);
  });

  t.test('resolves per-filter settings from the most specific level', async (t) => {
    const fault = (upstreamCluster: string) => faultConfig({ upstreamCluster });
    const entry = (name: string, from: string, disabled = false) => ({
      name,
      disabled,
      settings: fault(from),
    });
    const config = routeConfig(
      [
        virtualHost({
          perFilter: [entry('b', 'vhost'), entry('c', 'vhost')],
          routes: [
            routeEntry({
              perFilter: [entry('c', 'route'), { name: 'b', disabled: true, settings: undefined }],
            }),
          ],
        }),
      ],
      { perFilter: [entry('a', 'config'), entry('b', 'config'), entry('c', 'config')] },
    );
    const headers = request();
    const info = streamInfo();
    const route = new CompiledRouteTable(config).route(headers, info)!;
    const from = (name: string): unknown => {
      const settings = route.filterSettings(name, headers, info);
      return settings?.kind === 'fault' ? settings.upstreamCluster : undefined;
    };
    t.same(['a', 'b', 'c', 'd'].map(from), ['config', 'vhost', 'route', undefined]);
    t.same(
      ['a', 'b', 'c', 'd'].map(
        (name) => route.filterState(name, request(), streamInfo()) === 'disabled',
      ),
      [false, true, false, false],
    );
  });

  t.test('survives names that objects have by nature', async (t) => {
    const table = new CompiledRouteTable(routeConfig([virtualHost({ domains: ['a'] })]));
    for (const name of ['__proto__', 'constructor', 'toString']) {
      t.equal(table.route(request([[':authority', name]]), streamInfo()), null, name);
    }
  });
});

t.test('RouteTableSlot', async (t) => {
  t.test('swaps whole tables', async (t) => {
    const slot = new RouteTableSlot();
    t.equal(slot.current(), null);
    const table = new CompiledRouteTable(routeConfig([virtualHost()]));
    slot.update(table);
    t.equal(slot.current(), table);
  });
});
