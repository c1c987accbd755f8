// [b] Conditions of routes (envoy-behaviour §3.2).
import t from 'tap';
import type {
  HeaderMatchConfig,
  HeaderTestConfig,
  StringMatchConfig,
} from '../../../proxy/config/matcher-config.ts';
import type { RouteMatchConfig } from '../../../proxy/config/route-config.ts';
import { CompiledRouteTable } from '../../../proxy/router/route-table.ts';
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
      ['range, with a sign', header('x-a', range), [['x-a', '+1']], false],
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
