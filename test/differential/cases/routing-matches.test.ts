// Conditions of routes (envoy-behaviour §3.2). Each row has a list of requests; routes answer with their own name.
import { differential } from '../differential.ts';
import { get, inTurn } from '../requests.ts';
import type { Json, Row } from '../row.ts';

const named = (name: string, match: Json): Json => ({
  match,
  direct_response: { status: 200, body: { inline_string: name } },
});

/** The route called `yes` has the match; what it does not take is found by `no`. */
const row = (name: string, match: Json, ...requests: readonly string[]): Row => ({
  name,
  config: { routes: [named('yes', match), named('no', { prefix: '/' })] },
  client: inTurn(...requests),
});

const paths = (name: string, match: Json, ...list: readonly string[]): Row =>
  row(name, match, ...list.map((path) => get(path)));

const header = (name: string, matcher: Json, ...requests: readonly string[]): Row =>
  row(name, { prefix: '/', headers: [{ name: 'x-a', ...matcher }] }, ...requests);

const A = (...values: readonly string[]): string =>
  get('/', ...values.map((value) => `x-a: ${value}`));

const query = (name: string, matcher: Json, ...list: readonly string[]): Row =>
  row(
    name,
    { prefix: '/', query_parameters: [{ name: 'q', ...matcher }] },
    ...list.map((path) => get(path)),
  );

const cookies = (name: string, matcher: Json, ...lists: readonly (readonly string[])[]): Row =>
  row(
    name,
    { prefix: '/', cookies: [{ name: 'a', ...matcher }] },
    ...lists.map((list) => get('/', ...list.map((line) => `cookie: ${line}`))),
  );

const fraction = (name: string, value: Json, runtimeKey?: string): Row =>
  row(
    name,
    {
      prefix: '/',
      runtime_fraction: {
        default_value: value,
        ...(runtimeKey === undefined ? {} : { runtime_key: runtimeKey }),
      },
    },
    get('/'),
    get('/'),
  );

const regex = (pattern: string): Json => ({ safe_regex: { regex: pattern } });

export const suite = await differential(
  import.meta.url,
  {
    bootstrap: {
      layered_runtime: {
        layers: [
          {
            name: 'static',
            static_layer: {
              k: {
                all: 100,
                more: 1000,
                none: 0,
                half: 0.5,
                minus: -1,
                text: '100',
                junk: 'abc',
                yes: true,
                no: false,
                million: { numerator: 1_000_000, denominator: 'MILLION' },
                nothing: { numerator: 0 },
              },
            },
          },
        ],
      },
    },
  },
  [
    paths('prefix', { prefix: '/pre' }, '/pre', '/prefix', '/pre/x?q', '/PRE', '/xpre', '/?/pre'),
    paths('an empty prefix matches all', { prefix: '' }, '/', '/x'),
    paths(
      'prefix ignoring case',
      { prefix: '/Pre', case_sensitive: false },
      '/pre',
      '/PREfix',
      '/x',
    ),
    paths('path', { path: '/p' }, '/p', '/p?q', '/p/', '/P', '/px'),
    paths('path ignoring case', { path: '/Ab', case_sensitive: false }, '/aB', '/AB?q', '/abc'),
    paths('an empty path matches nothing', { path: '' }, '/', '/x'),
    paths(
      'path and query of the match are no query of the request',
      { path: '/p?q' },
      '/p?q',
      '/p%3Fq',
    ),
    paths(
      'path_separated_prefix',
      { path_separated_prefix: '/s' },
      '/s',
      '/s/',
      '/s/x',
      '/sx',
      '/s?q',
      '/S',
    ),
    paths(
      'path_separated_prefix ignoring case',
      { path_separated_prefix: '/s', case_sensitive: false },
      '/S/x',
      '/Sx',
    ),
    paths(
      'safe_regex matches the whole path without query',
      regex('/r[0-9]+'),
      '/r1',
      '/r1?q',
      '/r1x',
      '/x/r1',
    ),
    paths('safe_regex that knows alternatives', regex('/a|/b'), '/a', '/b', '/ab'),
    paths('safe_regex and letter case', { ...regex('/R'), case_sensitive: false }, '/R', '/r'),
    paths('safe_regex with a flag', regex('(?i)/r'), '/R', '/r'),
    paths('safe_regex with a dot', regex('/.'), '/x', '/xy', '/', '/%0a', '/é'),
    paths('safe_regex of wildcards', regex('/a/.*/c'), '/a/b/c', '/a//c', '/a/c', '/a/b/c/d'),
    paths('safe_regex with anchors', regex('^/a$'), '/a', '/ab'),
    paths(
      'safe_regex that is hostile',
      regex('(/a*)*b'),
      '/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
      '/ab',
    ),
    paths('a percent sign is a character', { path: '/a%20b' }, '/a%20b', '/a%2020b'),
    paths('bytes beyond ASCII', { prefix: '/é' }, '/%C3%A9'),
    row(
      'connect_matcher takes CONNECT only',
      { connect_matcher: {} },
      get('/'),
      'CONNECT h:80 HTTP/1.1\r\nhost: h:80\r\n\r\n',
    ),
    {
      name: 'path parameters are cut where they are to be ignored',
      config: {
        routes: [
          named('exact', { path: '/p' }),
          named('prefix', { prefix: '/pre/x' }),
          named('no', { prefix: '/' }),
        ],
        routeConfig: { ignore_path_parameters_in_path_matching: true },
      },
      client: inTurn(
        ...['/p;a=b', '/p;a=b?q', '/p;', '/;/p', '/pre/x;y/z', '/pre;/x', '/p?;'].map((path) =>
          get(path),
        ),
      ),
    },
    {
      name: 'path parameters are part of the path otherwise',
      config: { routes: [named('exact', { path: '/p' }), named('no', { prefix: '/' })] },
      client: inTurn(get('/p;a=b'), get('/p')),
    },
    {
      name: 'the first route that matches is taken, not the longest',
      config: {
        routes: [
          named('short', { prefix: '/a' }),
          named('long', { prefix: '/a/b' }),
          named('no', { prefix: '/' }),
        ],
      },
      client: inTurn(get('/a/b'), get('/b')),
    },
    {
      name: 'all conditions of a route have to hold',
      config: {
        routes: [
          named('yes', {
            prefix: '/a',
            headers: [
              { name: 'x-a', string_match: { exact: '1' } },
              { name: ':method', string_match: { exact: 'GET' } },
            ],
            query_parameters: [{ name: 'q', present_match: true }],
          }),
          named('no', { prefix: '/' }),
        ],
      },
      client: inTurn(
        get('/a?q', 'x-a: 1'),
        get('/a?q', 'x-a: 2'),
        get('/a', 'x-a: 1'),
        get('/b?q', 'x-a: 1'),
        get('/a?q', 'x-a: 1').replace('GET', 'PUT').replace('x-a', 'content-length: 0\r\nx-a'),
      ),
    },
    header('a header is there', {}, A('1'), A(''), get('/')),
    header('present_match true', { present_match: true }, A('1'), A(''), get('/')),
    header('present_match false', { present_match: false }, A('1'), get('/')),
    header(
      'present_match true, inverted',
      { present_match: true, invert_match: true },
      A('1'),
      get('/'),
    ),
    header(
      'present_match false, inverted',
      { present_match: false, invert_match: true },
      A('1'),
      get('/'),
    ),
    header(
      'present_match and a missing header that counts as empty',
      { present_match: true, treat_missing_header_as_empty: true },
      A('1'),
      get('/'),
    ),
    header(
      'present_match false and a missing header that counts as empty',
      { present_match: false, treat_missing_header_as_empty: true },
      A('1'),
      get('/'),
    ),
    header('exact', { string_match: { exact: 'v' } }, A('v'), A('V'), A('vv'), A(''), get('/')),
    header(
      'exact ignoring case',
      { string_match: { exact: 'vÄ', ignore_case: true } },
      A('Vä'),
      A('VÄ'),
    ),
    header('an empty exact string', { string_match: { exact: '' } }, A(''), A('v'), get('/')),
    header('the old exact_match', { exact_match: 'v' }, A('v'), A('w'), get('/')),
    header('the old exact_match, empty', { exact_match: '' }, A('v'), A(''), get('/')),
    header(
      'prefix of a header',
      { string_match: { prefix: 'ab' } },
      A('abc'),
      A('ab'),
      A('a'),
      A('Abc'),
    ),
    header(
      'suffix of a header',
      { string_match: { suffix: 'bc' } },
      A('abc'),
      A('bc'),
      A('c'),
      A('bcd'),
    ),
    header('contains', { string_match: { contains: 'b' } }, A('abc'), A('b'), A('aBc')),
    header(
      'contains ignoring case',
      { string_match: { contains: 'B', ignore_case: true } },
      A('abc'),
      A('x'),
    ),
    header('the old prefix, suffix and contains', { contains_match: 'b' }, A('abc'), A('x')),
    header(
      'a regex of a header',
      { string_match: { safe_regex: { regex: '[0-9]+' } } },
      A('12'),
      A('1x'),
      A(''),
    ),
    header('the old safe_regex_match', { safe_regex_match: { regex: 'a.c' } }, A('abc'), A('abcd')),
    header(
      'a range',
      { range_match: { start: -5, end: 10 } },
      ...['-5', '-6', '9', '10', '0', '-0', '+5', '05', '5.0', '5x', '', ' 5 '].map((value) =>
        A(value),
      ),
    ),
    header('a range of nothing', { range_match: { start: 5, end: 5 } }, A('5'), A('4')),
    header(
      'a range at the end of int64',
      { range_match: { start: 9_000_000_000, end: 9_007_199_254_740_991 } },
      A('9000000000'),
      A('9007199254740990'),
      A('9223372036854775807'),
      A('9223372036854775808'),
      A('99999999999999999999'),
    ),
    header(
      'exact, inverted',
      { string_match: { exact: 'v' }, invert_match: true },
      A('v'),
      A('w'),
      get('/'),
    ),
    header(
      'exact, inverted, a missing header counts as empty',
      { string_match: { exact: 'v' }, invert_match: true, treat_missing_header_as_empty: true },
      A('v'),
      A('w'),
      get('/'),
    ),
    header(
      'an empty exact string, a missing header counts as empty',
      { string_match: { exact: '' }, treat_missing_header_as_empty: true },
      A('v'),
      get('/'),
    ),
    header(
      'a range, a missing header counts as empty',
      {
        range_match: { start: 0, end: 5 },
        treat_missing_header_as_empty: true,
        invert_match: true,
      },
      A('3'),
      A('7'),
      get('/'),
    ),
    header(
      'one of several values is enough',
      { string_match: { exact: 'b' } },
      A('a', 'b'),
      A('a', 'c'),
      A('a,b'),
    ),
    header(
      'several values, inverted',
      { string_match: { exact: 'a' }, invert_match: true },
      A('a', 'b'),
      A('b', 'a'),
      A('b', 'c'),
    ),
    header(
      'a range over several values',
      { range_match: { start: 5, end: 6 } },
      A('1', '5'),
      A('1', '2'),
    ),
    row(
      'a header that can only stand once is joined first',
      { prefix: '/', headers: [{ name: 'user-agent', string_match: { exact: 'a,b' } }] },
      get('/', 'user-agent: a', 'user-agent: b'),
      get('/', 'user-agent: a'),
    ),
    row(
      'pseudo headers and host',
      {
        prefix: '/',
        headers: [
          { name: ':authority', string_match: { prefix: 'h' } },
          { name: ':path', string_match: { contains: '?q' } },
          { name: ':scheme', string_match: { exact: 'http' } },
          { name: ':method', string_match: { exact: 'GET' } },
        ],
      },
      get('/a?q'),
      get('/a'),
      get('/a?q', 'host: x'),
    ),
    row(
      'host as the name of a header',
      { prefix: '/', headers: [{ name: 'host', string_match: { exact: 'h' } }] },
      get('/'),
      get('/', 'host: x'),
    ),
    row(
      'host is there, and inverted',
      { prefix: '/', headers: [{ name: 'Host', present_match: true }] },
      get('/'),
    ),
    row(
      'names of headers are case-insensitive',
      { prefix: '/', headers: [{ name: 'X-MiXed', string_match: { exact: 'v' } }] },
      get('/', 'x-mIxEd: v'),
    ),
    row(
      'headers are seen as the connection manager left them',
      {
        prefix: '/',
        headers: [
          { name: 'x-forwarded-proto', string_match: { exact: 'http' } },
          { name: 'connection', present_match: false },
          { name: 'te', present_match: false },
        ],
      },
      get('/', 'connection: keep-alive', 'te: gzip'),
    ),
    query('a parameter is there', {}, '/?q', '/?q=', '/?q=1', '/?p', '/', '/?qq', '/?x&q', '/?Q'),
    query('a parameter present_match false', { present_match: false }, '/?q', '/?p', '/'),
    query(
      'a parameter equals',
      { string_match: { exact: 'v' } },
      '/?q=v',
      '/?q=V',
      '/?q=',
      '/?q',
      '/?q=w&q=v',
      '/?q=v&q=w',
      '/?q=%76',
      '/?a=q=v',
      '/?q=v;',
      '/q=v',
    ),
    query(
      'an empty parameter',
      { string_match: { exact: '' } },
      '/?q',
      '/?q=',
      '/?q=1',
      '/',
      '/?&q&',
    ),
    query(
      'a prefix of a parameter',
      { string_match: { prefix: 'v', ignore_case: true } },
      '/?q=Vx',
      '/?q=x',
    ),
    query(
      'a regex of a parameter',
      { string_match: { safe_regex: { regex: '[a-z]+' } } },
      '/?q=ab',
      '/?q=a1',
    ),
    query(
      'a parameter with a plus sign and an equals sign',
      { string_match: { exact: 'a+b=c' } },
      '/?q=a+b=c',
    ),
    row(
      'the name of a parameter is not decoded',
      { prefix: '/', query_parameters: [{ name: 'a b' }, { name: 'x%20y' }] },
      get('/?a%20b&x%20y'),
      get('/?a+b&x%20y'),
    ),
    row(
      'all parameters have to match',
      {
        prefix: '/',
        query_parameters: [
          { name: 'a', string_match: { exact: '1' } },
          { name: 'b', present_match: false },
        ],
      },
      get('/?a=1'),
      get('/?a=1&b'),
      get('/?b'),
    ),
    cookies(
      'a cookie equals',
      { string_match: { exact: '1' } },
      ['a=1'],
      ['b=2; a=1'],
      ['a=2; a=1'],
      ['a=1; a=2'],
      ['a="1"'],
      ['b=1', 'a=1'],
      ['a=2', 'a=1'],
      [],
      [' a = 1'],
      ['x;a=1'],
      ['A=1'],
      ['a=1;'],
      ['a=1 '],
      ['aa=1'],
      ['b=a=1'],
    ),
    cookies(
      'a cookie, inverted',
      { string_match: { exact: '1' }, invert_match: true },
      ['a=1'],
      ['a=2'],
      [],
    ),
    cookies('an empty cookie', { string_match: { exact: '' } }, ['a='], ['a'], ['a=""'], []),
    row(
      'grpc',
      { prefix: '/', grpc: {} },
      ...[
        'application/grpc',
        'application/grpc+proto',
        'application/grpc-web',
        'application/grpc;x',
        'Application/Grpc',
        'text/plain',
      ].map((type) => get('/', `content-type: ${type}`)),
      get('/'),
    ),
    row(
      'tls_context of a plain connection: not presented',
      { prefix: '/', tls_context: { presented: false } },
      get('/'),
    ),
    row(
      'tls_context of a plain connection: presented',
      { prefix: '/', tls_context: { presented: true } },
      get('/'),
    ),
    row(
      'tls_context of a plain connection: not validated',
      { prefix: '/', tls_context: { validated: false } },
      get('/'),
    ),
    row(
      'tls_context of a plain connection: validated',
      { prefix: '/', tls_context: { validated: true } },
      get('/'),
    ),
    row('tls_context that asks for nothing', { prefix: '/', tls_context: {} }, get('/')),
    fraction('a fraction of all', { numerator: 100 }),
    fraction('a fraction of none', { numerator: 0 }),
    fraction('a fraction of more than all', { numerator: 20_000, denominator: 'TEN_THOUSAND' }),
    ...[
      'all',
      'more',
      'none',
      'half',
      'minus',
      'text',
      'junk',
      'yes',
      'no',
      'million',
      'nothing',
      'unknown',
    ].flatMap((key) => [
      fraction(`a fraction of none, with the runtime key ${key}`, { numerator: 0 }, `k.${key}`),
      fraction(`a fraction of all, with the runtime key ${key}`, { numerator: 100 }, `k.${key}`),
    ]),
    row(
      'dynamic metadata that nobody wrote',
      {
        prefix: '/',
        dynamic_metadata: [{ filter: 'f', path: [{ key: 'k' }], value: { present_match: true } }],
      },
      get('/'),
    ),
    row(
      'dynamic metadata that nobody wrote, inverted',
      {
        prefix: '/',
        dynamic_metadata: [
          {
            filter: 'f',
            path: [{ key: 'k' }],
            value: { string_match: { exact: 'v' } },
            invert: true,
          },
        ],
      },
      get('/'),
    ),
    row(
      'filter state that nobody wrote',
      { prefix: '/', filter_state: [{ key: 'k', string_match: { exact: 'v' } }] },
      get('/'),
    ),
  ],
);
