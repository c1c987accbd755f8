// The matcher of a virtual host: a tree of header tests that leads to routes (xds.type.matcher.v3.Matcher).
import { differential } from '../differential.ts';
import { get, inTurn } from '../requests.ts';
import type { Json, Row } from '../row.ts';

const input = (name: string): Json => ({
  name: 'request-headers',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput',
    header_name: name,
  },
});

const route = (name: string, more: Json = {}): Json => ({
  name,
  match: { prefix: '/' },
  direct_response: { status: 200, body: { inline_string: name } },
  ...more,
});

const action = (type: string, config: Json): Json => ({
  action: {
    name: 'route',
    typed_config: { '@type': `type.googleapis.com/envoy.config.route.v3.${type}`, ...config },
  },
});
const to = (name: string, more: Json = {}): Json => action('Route', route(name, more));
const toList = (...routes: readonly Json[]): Json => action('RouteList', { routes });
const NONE = { on_no_match: to('none') };

const exactly = (header: string, map: Json, more: Json = {}): Json => ({
  matcher_tree: { input: input(header), exact_match_map: { map } },
  ...more,
});
const prefixed = (header: string, map: Json, more: Json = {}): Json => ({
  matcher_tree: { input: input(header), prefix_match_map: { map } },
  ...more,
});
const has = (header: string, value: Json): Json => ({
  single_predicate: { input: input(header), value_match: value },
});
const listed = (
  entries: readonly (readonly [predicate: Json, onMatch: Json])[],
  more: Json = {},
): Json => ({
  matcher_list: { matchers: entries.map(([predicate, on_match]) => ({ predicate, on_match })) },
  ...more,
});

const row = (name: string, matcher: Json, ...requests: readonly string[]): Row => ({
  name,
  config: { virtualHosts: [{ name: 'v', domains: ['*'], matcher }] },
  client: inTurn(...requests),
});
const a = (value: string, ...more: readonly string[]): string => get('/', `x-a: ${value}`, ...more);

const LIST: readonly (readonly [Json, Json])[] = [
  [has('x-a', { exact: '1' }), to('exact')],
  [has('x-a', { exact: 'Ab', ignore_case: true }), to('ignoring')],
  [has('x-a', { prefix: 'ab' }), to('prefix')],
  [has('x-a', { suffix: 'zz' }), to('suffix')],
  [has('x-a', { contains: 'mid' }), to('contains')],
  [has('x-a', { safe_regex: { google_re2: {}, regex: 'r+' } }), to('regex')],
  [
    { and_matcher: { predicate: [has('x-a', { exact: 'm' }), has('x-b', { exact: 'n' })] } },
    to('and'),
  ],
  [
    { or_matcher: { predicate: [has('x-a', { exact: 'o' }), has('x-b', { exact: 'o' })] } },
    to('or'),
  ],
  [{ not_matcher: has('x-a', { exact: 'q' }) }, to('not')],
];

export const suite = await differential(import.meta.url, { log: '%ROUTE_NAME% %RESPONSE_CODE%' }, [
  row(
    'an exact map',
    exactly('x-a', { one: to('one'), two: to('two') }, NONE),
    a('one'),
    a('two'),
    a('three'),
    a('One'),
    get('/'),
  ),
  row(
    'an exact map without on_no_match',
    exactly('x-a', { one: to('one') }),
    a('one'),
    a('x'),
    get('/'),
  ),
  row(
    'several values are joined',
    exactly('x-a', { 'one,two': to('both'), one: to('one') }, NONE),
    a('one', 'x-a: two'),
    a('two', 'x-a: one'),
  ),
  row(
    'the longest prefix of a map',
    prefixed('x-a', { a: to('a'), abc: to('abc'), '': to('empty') }),
    a('abcd'),
    a('abc'),
    a('ab'),
    a('z'),
    a(''),
    get('/'),
  ),
  row(
    'a prefix map of paths sees the query',
    prefixed(':path', { '/a': to('a'), '/a/b': to('ab'), '/q?x': to('q') }),
    get('/a/bc?q'),
    get('/ab'),
    get('/q?xy'),
    get('/x'),
  ),
  row(
    'other pseudo headers',
    exactly(':method', { GET: exactlyNested(':authority', { h: to('h') }) }, NONE),
    get('/'),
    get('/', 'host: x'),
  ),
  row('host', exactly('host', { h: to('host') }, NONE), get('/')),
  row(
    'names of headers in upper case',
    exactly('X-Upper', { a: to('a') }, NONE),
    get('/', 'x-upper: a'),
  ),
  row(
    'a tree within a tree',
    exactly('x-a', { one: exactlyNested('x-b', { b: to('b') }) }, NONE),
    a('one', 'x-b: b'),
    a('one', 'x-b: c'),
    a('two'),
  ),
  row(
    'a tree within a tree with its own on_no_match',
    exactly(
      'x-a',
      { one: exactlyNested('x-b', { b: to('b') }, { on_no_match: to('inner') }) },
      NONE,
    ),
    a('one', 'x-b: b'),
    a('one'),
    a('two'),
  ),
  row(
    'a longer prefix that leads nowhere leaves it to the shorter one',
    prefixed('x-a', { a: to('a'), abc: exactlyNested('x-b', { b: to('b') }) }, NONE),
    a('abcd', 'x-b: b'),
    a('abcd'),
    a('x'),
  ),
  row(
    'a list',
    listed(LIST, NONE),
    ...['1', 'aB', 'abc', 'xzz', 'amidb', 'rrr', 'o', 'q', 'm'].map((value) => a(value)),
    a('m', 'x-b: n'),
    a('q', 'x-b: o'),
    get('/'),
  ),
  row(
    'a list entry that leads nowhere leaves it to the next',
    listed(
      [
        [has('x-a', { prefix: 'a' }), exactlyNested('x-b', { b: to('b') })],
        [has('x-a', { prefix: 'ab' }), to('second')],
      ],
      NONE,
    ),
    a('abz', 'x-b: b'),
    a('abz'),
    a('a'),
  ),
  row(
    'predicates over joined values',
    listed(
      [
        [has('x-a', { prefix: 'b' }), to('b')],
        [has('x-a', { contains: ',' }), to('joined')],
      ],
      NONE,
    ),
    a('a', 'x-a: b'),
    a('b'),
  ),
  row(
    'a list of routes',
    exactly(
      'x-a',
      {
        one: toList(
          route('first', { match: { prefix: '/1' } }),
          route('second', { match: { prefix: '/2' } }),
        ),
      },
      NONE,
    ),
    get('/1', 'x-a: one'),
    get('/2', 'x-a: one'),
    get('/3', 'x-a: one'),
    get('/3'),
  ),
  row(
    'a route still has its own conditions',
    listed(
      [
        [has('x-a', { exact: '1' }), to('first', { match: { prefix: '/only' } })],
        [has('x-a', { prefix: '1' }), to('second')],
      ],
      NONE,
    ),
    get('/only', 'x-a: 1'),
    get('/', 'x-a: 1'),
    get('/', 'x-a: 12'),
  ),
  row('only on_no_match', NONE, get('/')),
  row('an empty matcher finds nothing', {}, get('/')),
  row(
    'a route that forwards, rewrites and adds headers',
    exactly('x-a', {
      one: to('forwards', {
        direct_response: undefined,
        route: { cluster: 'CASE-up', prefix_rewrite: '/new' },
        request_headers_to_add: [{ header: { key: 'x-add', value: 'v' } }],
      }),
    }),
    get('/p?q', 'x-a: one'),
  ),
  {
    name: 'levels above the tree have their say',
    config: {
      virtualHosts: [
        {
          name: 'v',
          domains: ['*'],
          matcher: exactly('x-a', { one: to('one') }, NONE),
          response_headers_to_add: [{ header: { key: 'x-vhost', value: 'v' } }],
          require_tls: 'EXTERNAL_ONLY',
        },
      ],
    },
    client: inTurn(
      a('one'),
      a('one', 'x-forwarded-proto: https'),
      a('two', 'x-forwarded-for: 10.0.0.1'),
    ),
  },
  row(
    'an unknown value of an unsafe name',
    exactly('x-a', { constructor: to('c'), one: to('one') }, NONE),
    a('constructor'),
    a('__proto__'),
    a('toString'),
  ),
]);

/** A tree as what a match leads to. */
function exactlyNested(header: string, map: Json, more: Json = {}): Json {
  return { matcher: exactly(header, map, more) };
}
