// The header_mutation filter: headers, trailers and query parameters, of the filter and of every level of a route.
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import type { Json, Row } from '../row.ts';

const NAME = 'envoy.filters.http.header_mutation';
const PACKAGE = 'filters.http.header_mutation.v3';

type Action =
  | 'APPEND_IF_EXISTS_OR_ADD'
  | 'ADD_IF_ABSENT'
  | 'OVERWRITE_IF_EXISTS'
  | 'OVERWRITE_IF_EXISTS_OR_ADD';

const append = (key: string, value: string, append_action?: Action, more: Json = {}) => ({
  append: { header: { key, value }, ...(append_action && { append_action }), ...more },
});
const query = (key: string, value: string, action?: Action) => ({
  append: { record: { key, value }, ...(action && { action }) },
});
const mutate = (mutations: Json, more: Json = {}) => ({
  httpFilters: [filterOf(NAME, `${PACKAGE}.HeaderMutation`, { mutations, ...more })],
});
const perRoute = (mutations: Json): Json => ({
  typed_per_filter_config: {
    [NAME]: {
      '@type': `type.googleapis.com/envoy.extensions.${PACKAGE}.HeaderMutationPerRoute`,
      mutations,
    },
  },
});
const get = (path = '/', ...lines: readonly string[]): string =>
  `GET ${path} HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const UPSTREAM =
  'HTTP/1.1 200 OK\r\nx-up: 1\r\nx-up: 2\r\nset-cookie: a=b\r\ncontent-length: 2\r\n\r\nok';
const TRAILERS = { hcm: { http_protocol_options: { enable_trailers: true } } };
const UPSTREAM_TRAILERS = {
  clusters: {
    up: {
      typed_extension_protocol_options: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
          '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
          explicit_http_config: { http_protocol_options: { enable_trailers: true } },
        },
      },
    },
  },
};

const headers: Row[] = [
  {
    name: 'mutations are done in order, each on what the one before left',
    config: mutate({
      request_mutations: [
        append('a', '1'),
        { remove: 'a' },
        append('a', '2'),
        append('a', '3', 'OVERWRITE_IF_EXISTS'),
        append('a', '4', 'ADD_IF_ABSENT'),
        append('b', '5', 'OVERWRITE_IF_EXISTS'),
        append('c', '6', 'ADD_IF_ABSENT'),
        append('d', '%REQ(a)% %REQ(none)%'),
      ],
    }),
    client: get('/', 'a: 0'),
    expect: { upstream: /a: 3\r\n[\s\S]*d: 3 / },
  },
  {
    name: 'a second line, a joined line',
    config: mutate({ request_mutations: [append('x', '2'), append('user-agent', '2')] }),
    client: get('/', 'x: 1', 'user-agent: 1'),
  },
  {
    name: 'an empty value is left out unless it is to be kept',
    config: mutate({
      request_mutations: [
        append('a', ''),
        append('b', '', 'APPEND_IF_EXISTS_OR_ADD', { keep_empty_value: true }),
        append('c', '', 'OVERWRITE_IF_EXISTS_OR_ADD'),
        append('d', '%REQ(none)%', 'OVERWRITE_IF_EXISTS', { keep_empty_value: true }),
      ],
    }),
    client: get('/', 'c: 1', 'd: 1'),
  },
  {
    name: 'response headers are changed',
    config: mutate({
      response_mutations: [
        append('x-up', '3'),
        append('x-r', '%REQ(q)% %RESP(x-up)%'),
        { remove: 'set-cookie' },
        append('server', 'mine', 'OVERWRITE_IF_EXISTS_OR_ADD'),
      ],
    }),
    client: get('/', 'q: 1'),
    upstream: UPSTREAM,
  },
  {
    name: 'replies of our own are changed, too',
    config: {
      ...mutate({ response_mutations: [append('x-r', '%REQ(:PATH)%')] }),
      routes: [{ match: { prefix: '/' }, direct_response: { status: 403 } }],
    },
    client: get(),
  },
  {
    name: 'without a route the filter’s own mutations are done',
    config: { ...mutate({ response_mutations: [append('x-r', '1')] }), routes: [] },
    client: get(),
    expect: { status: 404, client: /x-r: 1/ },
  },
  {
    name: 'headers are removed by matcher, names in lower case',
    config: mutate({
      request_mutations: [{ remove_on_match: { key_matcher: { prefix: 'x-' } } }],
      response_mutations: [{ remove_on_match: { key_matcher: { suffix: '-up' } } }],
    }),
    client: get('/', 'x-a: 1', 'X-B: 2', 'other: 3', 'x-a: 4'),
    upstream: UPSTREAM,
  },
  {
    name: 'the authority may be removed',
    config: mutate({ request_mutations: [{ remove: ':authority' }] }),
    client: get(),
  },
  {
    name: 'host is the authority',
    config: mutate({ request_mutations: [{ remove: 'host' }] }),
    client: get(),
  },
  {
    name: 'a request without path is not sent',
    config: mutate({ request_mutations: [{ remove: ':path' }] }),
    client: get(),
    expect: { status: 503 },
    differs: {
      envoy: 'finds out after it connected to the upstream',
      ours: 'makes no connection',
      reason: 'a request that cannot be sent needs none',
      where: ['upstream', 'log'],
    },
  },
  {
    name: 'a request without method is not sent',
    config: mutate({
      request_mutations: [{ remove_on_match: { key_matcher: { exact: ':method' } } }],
    }),
    client: get(),
    expect: { status: 503 },
    differs: {
      envoy: 'finds out after it connected to the upstream',
      ours: 'makes no connection',
      reason: 'a request that cannot be sent needs none',
      where: ['upstream', 'log'],
    },
  },
  {
    name: 'a response without status is not sent',
    config: mutate({ response_mutations: [{ remove: ':status' }] }),
    client: get(),
    expect: { status: 502 },
  },
  {
    name: 'the route is chosen before its headers change',
    config: {
      ...mutate({ request_mutations: [append('pick', 'b')] }),
      routes: [
        { match: { prefix: '/', headers: [{ name: 'pick' }] }, direct_response: { status: 418 } },
        { match: { prefix: '/' }, route: { cluster: 'CASE-up' } },
      ],
    },
    client: get(),
    expect: { status: 200 },
  },
];

const levels: Row[] = (
  [
    ['', {}],
    [', the most specific one last', { most_specific_header_mutations_wins: true }],
  ] as const
).map(([suffix, more]) => ({
  name: `all levels of a route are done${suffix}`,
  config: {
    ...mutate({ request_mutations: [append('x', 'filter')] }, more),
    routeMore: perRoute({
      request_mutations: [append('x', 'route'), append('y', 'route', 'OVERWRITE_IF_EXISTS_OR_ADD')],
      response_mutations: [append('x', 'route')],
    }),
    virtualHost: perRoute({
      request_mutations: [append('x', 'host'), append('y', 'host', 'OVERWRITE_IF_EXISTS_OR_ADD')],
      response_mutations: [append('x', 'host')],
    }),
    routeConfig: perRoute({
      request_mutations: [append('x', 'table'), append('y', 'table', 'OVERWRITE_IF_EXISTS_OR_ADD')],
    }),
  },
  client: get(),
}));

const weighted: Row[] = [
  {
    name: 'a weighted cluster is a level, too',
    config: {
      ...mutate({}),
      route: {
        cluster: null,
        weighted_clusters: {
          clusters: [
            {
              name: 'CASE-up',
              weight: 1,
              ...perRoute({ request_mutations: [append('x', 'cluster')] }),
            },
          ],
        },
      },
      routeMore: perRoute({ request_mutations: [append('x', 'route')] }),
    },
    client: get(),
  },
];

const queries: Row[] = [
  {
    name: 'query parameters are added, replaced and removed; the query is sorted',
    config: mutate({
      query_parameter_mutations: [
        query('z', '1'),
        query('a', '2'),
        query('b', '%REQ(x)%', 'OVERWRITE_IF_EXISTS_OR_ADD'),
        query('n', 'no', 'OVERWRITE_IF_EXISTS'),
        query('a', 'absent', 'ADD_IF_ABSENT'),
        query('o', 'new', 'OVERWRITE_IF_EXISTS'),
        { remove: 'r' },
      ],
    }),
    client: get('/p?m=1&a=1&r=5&b=1&b=2&o=old&r=6', 'x: v w&u'),
    expect: { upstream: /GET \/p\?a=1&a=2&b=v%20w%26u&m=1&o=new&z=1 / },
  },
  {
    name: 'a path without query gets one',
    config: mutate({ query_parameter_mutations: [query('a', '')] }),
    client: get('/p'),
  },
  {
    name: 'the last parameter takes the question mark with it',
    config: mutate({ query_parameter_mutations: [{ remove: 'r' }] }),
    client: get('/p?r=1&r'),
    expect: { upstream: /GET \/p HTTP/ },
  },
  {
    name: 'an empty query is no query',
    config: mutate({ query_parameter_mutations: [{ remove: 'r' }] }),
    client: get('/p?'),
  },
  {
    name: 'a parameter without value gets an equals sign',
    config: mutate({ query_parameter_mutations: [{ remove: 'r' }] }),
    client: get('/p?b&a&&c='),
  },
  {
    name: 'values are percent-encoded',
    config: mutate({ query_parameter_mutations: [query('a', '%REQ(x)%')] }),
    client: get('/p', 'x: aZ09-_.~!*\'();:@&=+$,/?%[]{}|^`"<>#\\'),
  },
  {
    name: 'a parameter whose value came encoded',
    config: mutate({ query_parameter_mutations: [{ remove: 'r' }] }),
    client: get('/p?e=%2f&r=1'),
    differs: {
      envoy: 'writes it decoded: `/p?e=/`',
      ours: 'leaves it as it came: `/p?e=%2f`',
      reason: 'decoded, `%0d%0a` would end the request line and `%26` would become a parameter',
      where: ['upstream', 'log'],
    },
  },
  {
    name: 'a query of a route’s own mutations',
    config: {
      ...mutate({}),
      routeMore: perRoute({ query_parameter_mutations: [query('a', '1')] }),
    },
    client: get('/p?a=0'),
  },
];

const trailers: Row[] = [
  {
    name: 'response trailers are changed',
    config: {
      ...mutate({
        response_trailers_mutations: [append('t', '2'), append('u', '%RESP(x)%'), { remove: 'v' }],
      }),
      ...TRAILERS,
      ...UPSTREAM_TRAILERS,
    },
    client: get(),
    upstream:
      'HTTP/1.1 200 OK\r\nx: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nt: 1\r\nv: 1\r\n\r\n',
  },
  {
    name: 'request trailers are changed',
    config: {
      ...mutate({ request_trailers_mutations: [append('t', '%REQ(x)%'), { remove: 'v' }] }),
      ...TRAILERS,
      ...UPSTREAM_TRAILERS,
    },
    client:
      'POST / HTTP/1.1\r\nhost: h\r\nx: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nt: 1\r\nv: 1\r\n\r\n',
  },
];

export const suite = await differential(import.meta.url, {}, [
  ...headers,
  ...levels,
  ...weighted,
  ...queries,
  ...trailers,
]);
