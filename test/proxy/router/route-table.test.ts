// [b] Virtual hosts and routes (envoy-behaviour §3.1, §3.2).
import t from 'tap';
import type { HeaderMatchConfig, HeaderTestConfig, StringMatchConfig } from '../../../proxy/config/matcher-config.ts';
import type { RouteMatchConfig } from '../../../proxy/config/route-config.ts';
import { SeededRandom } from '../../../proxy/base/random.ts';
import { CompiledRouteTable } from '../../../proxy/router/route-table.ts';
import { RouteEntry } from '../../../proxy/router/route-entry.ts';
import { RouteTableSlot } from '../../../proxy/router/route-table-slot.ts';
import {
  request,
  routeAction,
  routeConfig,
  routeEntry,
  routeMatch,
  streamInfo,
  virtualHost,
} from '../../support/route-samples.ts';

const exact = (value: string, ignoreCase = false): StringMatchConfig => ({ kind: 'exact', value, ignoreCase });
const text = (match: StringMatchConfig): HeaderTestConfig => ({ kind: 'string', match });

function header(name: string, test: HeaderTestConfig, changes: Partial<HeaderMatchConfig> = {}): HeaderMatchConfig {
  return { name, test, invert: false, treatMissingAsEmpty: false, ...changes };
}

/** A table whose only route has this match. */
function tableOf(match: Partial<RouteMatchConfig>): CompiledRouteTable {
  return new CompiledRouteTable(routeConfig([virtualHost({ routes: [routeEntry({ match: routeMatch(match) })] })]));
}

type Lines = readonly (readonly [string, string])[];

function matches(match: Partial<RouteMatchConfig>, lines: Lines, random = 0): boolean {
  return tableOf(match).route(request(lines), streamInfo(random)) !== null;
}

t.test('CompiledRouteTable', async (t) => {
  t.test('finds the virtual host: exact, longest suffix, longest prefix, default', async (t) => {
    const names = ['www.foo.com', '*.foo.com', '*-bar.foo.com', '*.com', 'foo.*', 'foo.bar.*', '*'];
    const table = new CompiledRouteTable(routeConfig(names.map((name) => virtualHost({ name, domains: [name] }))));
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
    for (const [authority, expected] of cases) t.equal(table.virtualHostFor(authority)?.name, expected, authority);
  });

  t.test('finds nothing where no domain fits', async (t) => {
    const table = new CompiledRouteTable(routeConfig([virtualHost({ domains: ['foo.com', '*.foo.com'] })]));
    for (const authority of ['foo.com:82', 'bar.com', '.foo.com', '']) {
      t.equal(table.route(request([[':authority', authority]]), streamInfo()), null, authority);
    }
  });

  t.test('ignores the port where asked to', async (t) => {
    const config = routeConfig([virtualHost({ domains: ['foo.com', '[::1]'] })], { ignorePortInHostMatching: true });
    const table = new CompiledRouteTable(config);
    for (const authority of ['foo.com:82', 'FOO.com:82', 'foo.com', '[::1]:80', '[::1]']) {
      t.equal(table.virtualHostFor(authority)?.name, 'vhost', authority);
    }
    t.equal(table.virtualHostFor('foo.com:x'), null);
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
    t.throws(two('*', '*'), { message: /Only a single wildcard domain is permitted in route routes/ });
  });

  t.test('matches paths', async (t) => {
    const prefix = (value: string): Partial<RouteMatchConfig> => ({ path: { kind: 'prefix', value } });
    const whole = (value: string): Partial<RouteMatchConfig> => ({ path: { kind: 'path', value } });
    const separated = (value: string): Partial<RouteMatchConfig> => ({ path: { kind: 'separated_prefix', value } });
    const regex = (pattern: string): Partial<RouteMatchConfig> => ({ path: { kind: 'regex', pattern } });
    const cases: [Partial<RouteMatchConfig>, string, boolean][] = [
      [prefix('/'), '/anything?x', true],
      [prefix('/api'), '/api/x', true],
      [prefix('/api'), '/apiary', true],
      [prefix('/api'), '/API', false],
      [prefix('/api?x'), '/api?x', false],
      [{ ...prefix('/Portal'), caseSensitive: false }, '/pORTAL/a', true],
      [whole('/api'), '/api', true],
      [whole('/api'), '/api?x=1', true],
      [whole('/api'), '/api/', false],
      [{ ...whole('/API'), caseSensitive: false }, '/api', true],
      [separated('/api'), '/api', true],
      [separated('/api'), '/api/x', true],
      [separated('/api'), '/api?x', true],
      [separated('/api'), '/apiary', false],
      [{ ...separated('/API'), caseSensitive: false }, '/api/x', true],
      [regex('/b[io]t'), '/bit', true],
      [regex('/b[io]t'), '/bit?q', true],
      [regex('/b[io]t'), '/bite', false],
      [regex('/b[io]t'), '/x/bit', false],
      [regex('/a|/ab'), '/ab', true],
      [{ ...regex('/bit'), caseSensitive: false }, '/BIT', false],
      [regex('/.*'), '/\xff\xe9', true],
      [prefix('/é'), '/\xc3\xa9', true],
      [{ path: { kind: 'connect' } }, '/x', false],
    ];
    for (const [match, path, expected] of cases) {
      t.equal(matches(match, [[':path', path]]), expected, `${JSON.stringify(match)} on ${path}`);
    }
    t.ok(matches({ path: { kind: 'connect' } }, [[':method', 'CONNECT'], [':path', '']]));
    t.notOk(matches(prefix('/'), [[':method', 'CONNECT'], [':path', '']]), 'no path matches nothing else');
  });

  t.test('cuts path parameters where asked to', async (t) => {
    const entry = routeEntry({ match: routeMatch({ path: { kind: 'path', value: '/a' } }) });
    const table = (cut: boolean): CompiledRouteTable =>
      new CompiledRouteTable(
        routeConfig([virtualHost({ routes: [entry] })], { ignorePathParametersInPathMatching: cut }),
      );
    t.ok(table(true).route(request([[':path', '/a;v=1?q']]), streamInfo()));
    t.notOk(table(false).route(request([[':path', '/a;v=1?q']]), streamInfo()));
  });

  t.test('matches headers', async (t) => {
    const present: HeaderTestConfig = { kind: 'present', present: true };
    const absent: HeaderTestConfig = { kind: 'present', present: false };
    const range: HeaderTestConfig = { kind: 'range', start: -5, end: 10 };
    const cases: [string, HeaderMatchConfig, Lines, boolean][] = [
      ['present', header('x-a', present), [['x-a', '']], true],
      ['present, missing', header('x-a', present), [], false],
      ['present inverted flips', header('x-a', present, { invert: true }), [], true],
      ['absent', header('x-a', absent), [], true],
      ['absent, there', header('x-a', absent), [['x-a', '1']], false],
      ['absent inverted', header('x-a', absent, { invert: true }), [['x-a', '1']], true],
      ['exact', header('x-a', text(exact('a'))), [['x-a', 'a']], true],
      ['exact, other case', header('x-a', text(exact('a'))), [['x-a', 'A']], false],
      ['exact ignoring case', header('x-a', text(exact('a', true))), [['x-a', 'A']], true],
      ['prefix', header('x-a', text({ kind: 'prefix', value: 'ab', ignoreCase: false })), [['x-a', 'abc']], true],
      ['suffix', header('x-a', text({ kind: 'suffix', value: 'bc', ignoreCase: false })), [['x-a', 'abc']], true],
      ['contains', header('x-a', text({ kind: 'contains', value: 'B', ignoreCase: true })), [['x-a', 'abc']], true],
      ['regex is a full match', header('x-a', text({ kind: 'regex', pattern: 'a+' })), [['x-a', 'aab']], false],
      ['regex', header('x-a', text({ kind: 'regex', pattern: 'a+b' })), [['x-a', 'aab']], true],
      ['range', header('x-a', range), [['x-a', '-5']], true],
      ['range, at its end', header('x-a', range), [['x-a', '10']], false],
      ['range, no integer', header('x-a', range), [['x-a', '1x']], false],
      ['range, with a sign', header('x-a', range), [['x-a', '+1']], false],
      ['inverted', header('x-a', text(exact('a')), { invert: true }), [['x-a', 'b']], true],
      ['inverted, missing', header('x-a', text(exact('a')), { invert: true }), [], false],
      ['missing as empty', header('x-a', text(exact('')), { treatMissingAsEmpty: true }), [], true],
      ['missing as empty, inverted', header('x-a', text(exact('a')), { invert: true, treatMissingAsEmpty: true }), [], true],
      ['any of several values', header('x-a', text(exact('b'))), [['x-a', 'a'], ['x-a', 'b']], true],
      ['several are not joined', header('x-a', text(exact('a,b'))), [['x-a', 'a'], ['x-a', 'b']], false],
      ['several, inverted', header('x-a', text(exact('a')), { invert: true }), [['x-a', 'a'], ['x-a', 'b']], false],
      [':method', header(':method', text(exact('POST'))), [[':method', 'POST']], true],
      [':path with query', header(':path', text(exact('/a?b'))), [[':path', '/a?b']], true],
      [':authority', header(':authority', text(exact('h:80'))), [[':authority', 'h:80']], true],
      ['inline names are joined', header('content-type', text(exact('a,b'))), [['content-type', 'a'], ['content-type', 'b']], true],
    ];
    for (const [name, matcher, lines, expected] of cases) t.equal(matches({ headers: [matcher] }, lines), expected, name);
    const both = [header('x-a', text(exact('1'))), header('x-b', text(exact('2')))];
    t.notOk(matches({ headers: both }, [['x-a', '1']]), 'all have to match');
  });

  t.test('matches query parameters, first value, undecoded', async (t) => {
    const param = (test: Exclude<HeaderTestConfig, { kind: 'range' }>): Partial<RouteMatchConfig> => ({
      query: [{ name: 'a', test }],
    });
    const string = (value: string): Exclude<HeaderTestConfig, { kind: 'range' }> => ({ kind: 'string', match: exact(value) });
    const cases: [Partial<RouteMatchConfig>, string, boolean][] = [
      [param(string('1')), '/?a=1', true],
      [param(string('1')), '/?b=2&a=1&a=2', true],
      [param(string('2')), '/?a=1&a=2', false],
      [param(string('')), '/?a', true],
      [param(string('%31')), '/?a=%31', true],
      [param(string('1')), '/?aa=1', false],
      [param(string('1')), '/?xa=1', false],
      [param(string('1')), '/a=1', false],
      [param({ kind: 'present', present: true }), '/?a', true],
      [param({ kind: 'present', present: true }), '/?b', false],
      [param({ kind: 'present', present: false }), '/?b', true],
      [param({ kind: 'present', present: false }), '/?a=', false],
    ];
    for (const [match, path, expected] of cases) t.equal(matches(match, [[':path', path]]), expected, path);
  });

  t.test('matches gRPC, fractions and client certificates', async (t) => {
    t.ok(matches({ grpcOnly: true }, [['content-type', 'application/grpc']]));
    t.ok(matches({ grpcOnly: true }, [['content-type', 'application/grpc+proto']]));
    for (const type of ['application/grpc-web', 'application/grpc;x', 'text/plain']) {
      t.notOk(matches({ grpcOnly: true }, [['content-type', type]]), type);
    }
    const quarter = { numerator: 25, denominator: 100 } as const;
    t.ok(matches({ fraction: quarter }, [], 1024));
    t.notOk(matches({ fraction: quarter }, [], 1025));
    t.notOk(matches({ tlsPresented: true }, []), 'no certificate was presented');
    t.ok(matches({ tlsPresented: false }, []));
  });

  t.test('takes the first route that matches and says why others lost', async (t) => {
    const routes = [
      routeEntry({ name: 'api', match: routeMatch({ path: { kind: 'prefix', value: '/api' } }) }),
      routeEntry({ name: 'jason', match: routeMatch({ headers: [header('end-user', text(exact('jason')))] }) }),
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
    t.throws(() => tableOf({ path: { kind: 'regex', pattern: '((a{999}){100})' } }), { message: /regex/i });
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
    const table = new CompiledRouteTable(routeConfig([virtualHost({ routes: [routeEntry({ action })] })]));
    const random = new SeededRandom(42);
    const counts = new Map<string, number>();
    const headers = request();
    for (let i = 0; i < 10_000; i++) {
      const info = streamInfo(random.nextUint32());
      const route = table.route(headers, info)!;
      const name = route.clusterNameFor(headers, info);
      if (route.clusterNameFor(headers, info) !== name) t.fail('another answer for the same stream');
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    const chiSquare = weights.reduce((sum, weight, i) => {
      const expected = weight * 100;
      return sum + ((counts.get(`v${i}`) ?? 0) - expected) ** 2 / expected;
    }, 0);
    t.ok(chiSquare < 13.8, `chi square ${chiSquare} for two degrees of freedom (p = 0.001 at 13.8)`);
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
    const table = new CompiledRouteTable(routeConfig([virtualHost({ routes: [routeEntry({ action })] })]));
    const pick = (value: string, random: number): string => {
      const headers = request([['x-pick', value]]);
      const info = streamInfo(random);
      return table.route(headers, info)!.clusterNameFor(headers, info);
    };
    t.equal(pick('9', 50), 'a');
    t.equal(pick('10', 5), 'c');
    t.equal(pick('18446744073709551615', 5), 'c', '2^64-1 % 100 = 15');
    t.equal(pick('18446744073709551616', 5), 'a', 'too large: the stream decides');
    t.equal(pick('-1', 5), 'a');
    t.equal(pick('x', 5), 'a');
  });

  t.test('redirects to https where TLS is required', async (t) => {
    const table = (requireTls: 'ALL' | 'EXTERNAL_ONLY'): CompiledRouteTable =>
      new CompiledRouteTable(routeConfig([virtualHost({ requireTls })]));
    const plain = request([['x-forwarded-proto', 'http']]);
    t.notOk(table('ALL').route(plain, streamInfo()) instanceof RouteEntry);
    t.ok(table('ALL').route(request([['x-forwarded-proto', 'https']]), streamInfo()) instanceof RouteEntry);
    const internal = request([['x-forwarded-proto', 'http'], ['x-envoy-internal', 'true']]);
    t.ok(table('EXTERNAL_ONLY').route(internal, streamInfo()) instanceof RouteEntry);
    t.notOk(table('ALL').route(internal, streamInfo()) instanceof RouteEntry);
    t.equal(table('ALL').route(request([['x-forwarded-proto', '']]), streamInfo()), null);
  });

  t.test('resolves per-filter settings from the most specific level', async (t) => {
    const fault = (upstreamCluster: string) =>
      ({
        kind: 'fault',
        delay: undefined,
        abort: undefined,
        upstreamCluster,
        headers: [],
        downstreamNodes: [],
        maxActiveFaults: undefined,
      }) as const;
    const entry = (name: string, from: string, disabled = false) => ({ name, disabled, settings: fault(from) });
    const config = routeConfig(
      [
        virtualHost({
          perFilter: [entry('b', 'vhost'), entry('c', 'vhost')],
          routes: [routeEntry({ perFilter: [entry('c', 'route'), { name: 'b', disabled: true, settings: undefined }] })],
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
    t.same(['a', 'b', 'c', 'd'].map((name) => route.filterDisabled(name)), [false, true, false, false]);
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
