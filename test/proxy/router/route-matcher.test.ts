// [b] Conditions of routes (envoy-behaviour §3.2).
import t from 'tap';
import type {
  FilterStateMatchConfig,
  HeaderMatchConfig,
  HeaderTestConfig,
  StringMatchConfig,
  ValueMatchConfig,
} from '../../../proxy/config/matcher-config.ts';
import type { RouteMatchConfig } from '../../../proxy/config/route-config.ts';
import { Runtime } from '../../../proxy/base/runtime.ts';
import { NO_ENVIRONMENT } from '../../../proxy/router/route-environment.ts';
import { CompiledRouteTable } from '../../../proxy/router/route-table.ts';
import type { MetadataValue } from '../../../proxy/stream-info/dynamic-metadata.ts';
import {
  request,
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

type Lines = readonly (readonly [string, string])[];

function matches(match: Partial<RouteMatchConfig>, lines: Lines, random = 0): boolean {
  return tableOf(match).route(request(lines), streamInfo(random)) !== null;
}

t.test('RouteMatcher', async (t) => {
  t.test('matches paths', async (t) => {
    const prefix = (value: string): Partial<RouteMatchConfig> => ({
      path: { kind: 'prefix', value },
    });
    const whole = (value: string): Partial<RouteMatchConfig> => ({ path: { kind: 'path', value } });
    const separated = (value: string): Partial<RouteMatchConfig> => ({
      path: { kind: 'separated_prefix', value },
    });
    const regex = (pattern: string): Partial<RouteMatchConfig> => ({
      path: { kind: 'regex', pattern },
    });
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
    t.ok(
      matches({ path: { kind: 'connect' } }, [
        [':method', 'CONNECT'],
        [':path', ''],
      ]),
    );
    t.notOk(
      matches(prefix('/'), [
        [':method', 'CONNECT'],
        [':path', ''],
      ]),
      'no path matches nothing else',
    );
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
      [
        'prefix',
        header('x-a', text({ kind: 'prefix', value: 'ab', ignoreCase: false })),
        [['x-a', 'abc']],
        true,
      ],
      [
        'suffix',
        header('x-a', text({ kind: 'suffix', value: 'bc', ignoreCase: false })),
        [['x-a', 'abc']],
        true,
      ],
      [
        'contains',
        header('x-a', text({ kind: 'contains', value: 'B', ignoreCase: true })),
        [['x-a', 'abc']],
        true,
      ],
      [
        'regex is a full match',
        header('x-a', text({ kind: 'regex', pattern: 'a+' })),
        [['x-a', 'aab']],
        false,
      ],
      ['regex', header('x-a', text({ kind: 'regex', pattern: 'a+b' })), [['x-a', 'aab']], true],
      ['range', header('x-a', range), [['x-a', '-5']], true],
      ['range, at its end', header('x-a', range), [['x-a', '10']], false],
      ['range, no integer', header('x-a', range), [['x-a', '1x']], false],
      ['range, with a sign', header('x-a', range), [['x-a', '+1']], true],
      ['inverted', header('x-a', text(exact('a')), { invert: true }), [['x-a', 'b']], true],
      ['inverted, missing', header('x-a', text(exact('a')), { invert: true }), [], false],
      ['missing as empty', header('x-a', text(exact('')), { treatMissingAsEmpty: true }), [], true],
      [
        'missing as empty, inverted',
        header('x-a', text(exact('a')), { invert: true, treatMissingAsEmpty: true }),
        [],
        true,
      ],
      [
        'any of several values',
        header('x-a', text(exact('b'))),
        [
          ['x-a', 'a'],
          ['x-a', 'b'],
        ],
        true,
      ],
      [
        'several are not joined',
        header('x-a', text(exact('a,b'))),
        [
          ['x-a', 'a'],
          ['x-a', 'b'],
        ],
        false,
      ],
      [
        'several, inverted',
        header('x-a', text(exact('a')), { invert: true }),
        [
          ['x-a', 'a'],
          ['x-a', 'b'],
        ],
        false,
      ],
      [':method', header(':method', text(exact('POST'))), [[':method', 'POST']], true],
      [':path with query', header(':path', text(exact('/a?b'))), [[':path', '/a?b']], true],
      [':authority', header(':authority', text(exact('h:80'))), [[':authority', 'h:80']], true],
      [
        'inline names are joined',
        header('content-type', text(exact('a,b'))),
        [
          ['content-type', 'a'],
          ['content-type', 'b'],
        ],
        true,
      ],
    ];
    for (const [name, matcher, lines, expected] of cases)
      t.equal(matches({ headers: [matcher] }, lines), expected, name);
    const both = [header('x-a', text(exact('1'))), header('x-b', text(exact('2')))];
    t.notOk(matches({ headers: both }, [['x-a', '1']]), 'all have to match');
  });

  t.test('matches query parameters, first value, undecoded', async (t) => {
    const param = (
      test: Exclude<HeaderTestConfig, { kind: 'range' }>,
    ): Partial<RouteMatchConfig> => ({
      query: [{ name: 'a', test }],
    });
    const string = (value: string): Exclude<HeaderTestConfig, { kind: 'range' }> => ({
      kind: 'string',
      match: exact(value),
    });
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
    for (const [match, path, expected] of cases)
      t.equal(matches(match, [[':path', path]]), expected, path);
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
});

t.test('rare conditions', async (t) => {
  t.test('match cookies: the first of a name, without quotes', async (t) => {
    const a1 = { cookies: [{ name: 'a', match: exact('1'), invert: false }] };
    const cases: [readonly string[], boolean][] = [
      [['a=1'], true],
      [['b=2; a=1'], true],
      [['x;a=1'], true],
      [['b=2', 'a=1'], true],
      [['a="1"'], true],
      [['a=1; a=2'], true],
      [['a=2; a=1'], false],
      [[' a = 1'], false],
      [['A=1'], false],
      [[], false],
    ];
    for (const [cookies, expected] of cases) {
      const lines = cookies.map((value) => ['cookie', value] as const);
      t.equal(matches(a1, lines), expected, cookies.join(' | '));
    }
    const not1 = { cookies: [{ name: 'a', match: exact('1'), invert: true }] };
    t.equal(matches(not1, []), true, 'missing matches inverted');
    t.equal(matches(not1, [['cookie', 'a=1']]), false);
  });

  t.test('match dynamic metadata as Envoy does', async (t) => {
    const info = streamInfo();
    info.metadataForWriting().merge(
      'f',
      new Map<string, MetadataValue>([
        ['s', 'str'],
        ['n', 5],
        ['b', true],
        ['z', null],
        ['l', ['a', 'b']],
        ['o', new Map([['x', 'y']])],
      ]),
    );
    const string = (value: string): ValueMatchConfig => ({ kind: 'string', match: exact(value) });
    const cases: [readonly string[], ValueMatchConfig, boolean][] = [
      [['s'], string('str'), true],
      [['n'], { kind: 'range', start: 5, end: 6 }, true],
      [['n'], { kind: 'range', start: 4, end: 5 }, false],
      [['n'], { kind: 'number', value: 5 }, true],
      [['n'], string('5'), false],
      [['b'], { kind: 'bool', value: true }, true],
      [['l'], { kind: 'any_element', match: string('b') }, true],
      [['l'], { kind: 'any_element', match: string('c') }, false],
      [['o', 'x'], string('y'), true],
      [['s', 'x'], string('y'), false],
      [['z'], { kind: 'null' }, true],
      [['q'], { kind: 'null' }, false],
      [['q'], { kind: 'present', present: true }, false],
      [['q'], { kind: 'present', present: false }, false],
      [['s'], { kind: 'or', matches: [{ kind: 'bool', value: true }, string('str')] }, true],
    ];
    for (const [path, value, expected] of cases) {
      for (const invert of [false, true]) {
        const table = tableOf({ dynamicMetadata: [{ namespace: 'f', path, value, invert }] });
        const what = `${path.join('.')} ${JSON.stringify(value)} ${invert}`;
        t.equal(table.route(request([]), info) !== null, expected !== invert, what);
      }
    }
    const inverted = { namespace: 'f', path: ['s'], value: string('str'), invert: true };
    t.equal(matches({ dynamicMetadata: [inverted] }, []), true, 'a stream without any');
  });

  t.test('match filter state; a missing object never matches', async (t) => {
    const info = streamInfo();
    info.filterStateForWriting().set('ip', { text: '10.1.2.3:0', ip: '10.1.2.3' });
    const inTen = (invert: boolean): FilterStateMatchConfig['test'] => ({
      kind: 'address',
      ranges: [{ address: '10.0.0.0', prefixLength: 8 }],
      invert,
    });
    const cases: [string, FilterStateMatchConfig['test'], boolean][] = [
      ['ip', { kind: 'string', match: exact('10.1.2.3:0') }, true],
      ['ip', { kind: 'string', match: exact('10.1.2.4') }, false],
      ['ip', inTen(false), true],
      ['ip', inTen(true), false],
      ['gone', inTen(true), false],
    ];
    for (const [key, test, expected] of cases) {
      const table = tableOf({ filterState: [{ key, test }] });
      t.equal(table.route(request([]), info) !== null, expected, `${key} ${JSON.stringify(test)}`);
    }
    t.equal(matches({ filterState: [{ key: 'ip', test: inTen(true) }] }, []), false, 'no state');
  });

  t.test('ask the runtime for fractions', async (t) => {
    const runtime = new Runtime(new Map([['k', '100']]));
    const routed = (runtimeKey: string): boolean => {
      const fraction = { numerator: 0, denominator: 100, runtimeKey } as const;
      const entry = routeEntry({ match: routeMatch({ fraction }) });
      const config = routeConfig([virtualHost({ routes: [entry] })]);
      const table = new CompiledRouteTable(config, { ...NO_ENVIRONMENT, runtime });
      return table.route(request([]), streamInfo(7)) !== null;
    };
    t.equal(routed('k'), true);
    t.equal(routed('unknown'), false);
  });
});
