// Headers that routes add and remove (envoy-behaviour §3.5).
import { differential } from '../differential.ts';
import { get, inTurn } from '../requests.ts';
import type { CaseConfig, Json, Row } from '../row.ts';

const add = (key: string, value: string, append_action?: string, more: Json = {}): Json => ({
  header: { key, value },
  ...(append_action === undefined ? {} : { append_action }),
  ...more,
});
const APPEND = 'APPEND_IF_EXISTS_OR_ADD';
const ABSENT = 'ADD_IF_ABSENT';
const OVERWRITE = 'OVERWRITE_IF_EXISTS_OR_ADD';
const EXISTING = 'OVERWRITE_IF_EXISTS';

const ANSWER = (...lines: readonly string[]): string =>
  ['HTTP/1.1 200 OK', 'content-length: 2', ...lines, '', 'ok'].join('\r\n');

/** The same changes to the request and to the response; both have the same lines before. */
const row = (name: string, changes: readonly Json[], lines: readonly string[] = []): Row => ({
  name,
  config: { routeMore: { request_headers_to_add: changes, response_headers_to_add: changes } },
  client: get('/', ...lines),
  upstream: ANSWER(...lines),
});

/** Every level says its own name; `changes` makes the two lists of one. */
function everyLevel(changes: (level: string) => Json, more: Json = {}): CaseConfig {
  return {
    routes: [
      {
        match: { prefix: '/' },
        route: {
          weighted_clusters: { clusters: [{ name: 'CASE-up', weight: 1, ...changes('cluster') }] },
        },
        ...changes('route'),
      },
    ],
    virtualHost: changes('vhost'),
    routeConfig: { ...changes('table'), ...more },
  };
}

const both = (adds: readonly Json[]): Json => ({
  request_headers_to_add: adds,
  response_headers_to_add: adds,
});

const formatted = (name: string, value: string, request: string = get('/a?b=c')): Row => ({
  name,
  config: {
    routeMore: {
      request_headers_to_add: [add('x-f', value)],
      response_headers_to_add: [add('x-f', value)],
    },
  },
  client: request,
  mask: [[/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT']],
});

export const suite = await differential(import.meta.url, {}, [
  row('append makes a line of its own', [add('x-a', '2')], ['x-a: 1']),
  row(
    'append joins a header that can only stand once',
    [add('user-agent', '2'), add('cache-control', '2'), add('server', '2'), add('etag', '2')],
    ['user-agent: 1', 'cache-control: 1', 'server: 1', 'etag: 1'],
  ),
  row('append twice', [add('x-a', '2', APPEND), add('x-a', '3', APPEND)], ['x-a: 1']),
  row('append where there is none', [add('x-a', '1', APPEND)]),
  row('add if absent, where it is there', [add('x-a', '2', ABSENT)], ['x-a: 1']),
  row('add if absent, where it is not', [add('x-a', '2', ABSENT)]),
  row('add if absent twice', [add('x-a', '1', ABSENT), add('x-a', '2', ABSENT)]),
  row(
    'overwrite or add, where it is there once',
    [add('x-a', '2', OVERWRITE)],
    ['x-a: 1', 'x-b: b'],
  ),
  row(
    'overwrite or add, where it is there twice',
    [add('x-a', '3', OVERWRITE)],
    ['x-a: 1', 'x-b: b', 'x-a: 2'],
  ),
  row('overwrite or add, where it is not', [add('x-a', '1', OVERWRITE)]),
  row('overwrite if exists, where it is there', [add('x-a', '2', EXISTING)], ['x-a: 1']),
  row('overwrite if exists, where it is not', [add('x-a', '2', EXISTING)]),
  row(
    'overwrite a header that can only stand once',
    [add('user-agent', '2', OVERWRITE)],
    ['user-agent: 1', 'x-b: b'],
  ),
  row('overwrite twice', [add('x-a', '2', OVERWRITE), add('x-a', '3', OVERWRITE)], ['x-a: 1']),
  row(
    'overwrite, then append, whatever the order of the list',
    [add('x-a', 'appended', APPEND), add('x-a', 'set', OVERWRITE)],
    ['x-a: 1'],
  ),
  row(
    'all actions together',
    [
      add('x-a', 'append', APPEND),
      add('x-a', 'absent', ABSENT),
      add('x-a', 'existing', EXISTING),
      add('x-b', 'absent', ABSENT),
      add('x-b', 'append', APPEND),
      add('x-c', 'existing', EXISTING),
      add('x-c', 'overwrite', OVERWRITE),
    ],
    ['x-a: 1'],
  ),
  row(
    'the old append field: true',
    [{ header: { key: 'x-a', value: '2' }, append: true }],
    ['x-a: 1'],
  ),
  row(
    'the old append field: false',
    [{ header: { key: 'x-a', value: '2' }, append: false }],
    ['x-a: 1'],
  ),
  row('names are lower-cased', [add('X-Upper', 'V')]),
  row('raw_value', [{ header: { key: 'x-a', raw_value: 'dmFsdWU=' } }]),
  row('an empty value is not added', [add('x-a', ''), add('x-b', '', OVERWRITE)], ['x-b: b']),
  row(
    'keep_empty_value adds an empty value',
    [
      add('x-a', '', APPEND, { keep_empty_value: true }),
      add('x-b', '', OVERWRITE, { keep_empty_value: true }),
    ],
    ['x-b: b'],
  ),
  row('a command without a value is not added', [add('x-a', '%REQ(x-none)%')]),
  row('a command without a value, kept', [
    add('x-a', '%REQ(x-none)%', APPEND, { keep_empty_value: true }),
  ]),
  row('text around a command without a value', [add('x-a', '[%REQ(x-none)%]')]),
  row(
    'values are formatted before any of them is written',
    [add('x-a', '%REQ(x-b)%', OVERWRITE), add('x-b', '%REQ(x-a)%', OVERWRITE)],
    ['x-a: 1', 'x-b: 2'],
  ),
  row('percent signs', [add('x-a', '100%%'), add('x-b', '%%REQ(x)%%')]),
  row('bytes beyond ASCII', [add('x-a', 'h\u00e9 \u20ac')]),
  {
    name: 'headers are removed before others are added',
    config: {
      routeMore: {
        request_headers_to_remove: ['x-a', 'x-b', 'X-UPPER', 'x-none'],
        request_headers_to_add: [add('x-a', 'new')],
        response_headers_to_remove: ['x-a', 'x-b', 'X-UPPER', 'x-none'],
        response_headers_to_add: [add('x-a', 'new')],
      },
    },
    client: get('/', 'x-a: 1', 'x-b: 1', 'x-b: 2', 'x-upper: u', 'x-c: c'),
    upstream: ANSWER('x-a: 1', 'x-b: 1', 'x-b: 2', 'x-upper: u', 'x-c: c'),
  },
  {
    name: 'headers of the proxy itself can be removed',
    config: {
      routeMore: {
        request_headers_to_remove: [
          'x-forwarded-proto',
          'x-envoy-expected-rq-timeout-ms',
          'user-agent',
        ],
        response_headers_to_remove: [
          'server',
          'date',
          'x-envoy-upstream-service-time',
          'content-type',
        ],
      },
    },
    client: get('/', 'user-agent: u'),
    upstream: ANSWER('server: mine', 'content-type: a/b'),
  },
  {
    name: 'content-length and transfer-encoding are removed, too',
    config: { routeMore: { response_headers_to_remove: ['content-length'] } },
    client: get('/'),
  },
  {
    name: 'each level appends, the most specific first',
    config: everyLevel((level) => both([add('x-a', level)])),
    client: get('/', 'x-a: client'),
  },
  {
    name: 'each level overwrites, the least specific wins',
    config: everyLevel((level) => both([add('x-a', level, OVERWRITE), add(`x-${level}`, level)])),
    client: get('/', 'x-a: client'),
  },
  {
    name: 'each level overwrites, the most specific wins where it should',
    config: everyLevel((level) => both([add('x-a', level, OVERWRITE), add(`x-${level}`, level)]), {
      most_specific_header_mutations_wins: true,
    }),
    client: get('/', 'x-a: client'),
  },
  {
    name: 'each level appends in turn where the most specific wins',
    config: everyLevel((level) => both([add('x-a', level)]), {
      most_specific_header_mutations_wins: true,
    }),
    client: get('/', 'x-a: client'),
  },
  {
    name: 'each level adds if absent, the most specific comes first',
    config: everyLevel((level) => both([add('x-a', level, ABSENT)])),
    client: get('/'),
  },
  {
    name: 'a level removes what a more specific one added',
    config: everyLevel((level) =>
      level === 'vhost'
        ? { request_headers_to_remove: ['x-route'], response_headers_to_remove: ['x-route'] }
        : both([add(`x-${level}`, level)]),
    ),
    client: get('/', 'x-route: client'),
  },
  {
    name: 'a later level sees what an earlier one wrote',
    config: everyLevel((level) =>
      level === 'table'
        ? both([add('x-seen', '%REQ(x-route)%')])
        : both([add(`x-${level}`, level)]),
    ),
    client: get('/'),
  },
  {
    name: 'no route: only nobody changes the headers of the reply',
    config: {
      routes: [{ match: { path: '/only' }, route: { cluster: 'CASE-up' } }],
      virtualHost: both([add('x-vhost', 'v')]),
      routeConfig: both([add('x-table', 't')]),
    },
    client: get('/'),
  },
  {
    name: 'a reply for a missing cluster has the headers of all levels',
    config: everyLevel((level) => both([add(`x-${level}`, '%RESPONSE_CODE% %RESPONSE_FLAGS%')])),
    client: get('/'),
    upstream: { refuses: true },
  },
  row(
    'more than a hundred headers',
    Array.from({ length: 120 }, (_, i) => add(`x-${i}`, 'v')),
  ),
  row(
    'more than 60 KiB of headers',
    Array.from({ length: 5 }, (_, i) => add(`x-${i}`, 'v'.repeat(16_000))),
  ),
  formatted(
    '%REQ% with an alternative and a length',
    '%REQ(x-none?:path):3% %REQ(:method)% %REQ(host)%',
  ),
  formatted('%REQ(:scheme)% and %PROTOCOL%', '%REQ(:scheme)% %PROTOCOL%'),
  formatted('%RESP%', '[%RESP(content-length)%] [%RESP(:status)%]'),
  formatted('%START_TIME% with a format', '%START_TIME(%Y)%-%START_TIME(%s.%3f)%'.slice(0, 16)),
  formatted(
    'addresses downstream',
    '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%',
  ),
  formatted(
    '%UPSTREAM_CLUSTER% and host',
    '%UPSTREAM_CLUSTER% %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
  ),
  formatted('%ROUTE_NAME% of a nameless route', '[%ROUTE_NAME%]'),
  formatted(
    '%RESPONSE_CODE% and details',
    '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%',
  ),
  formatted(
    '%BYTES_RECEIVED%, %DURATION% missing',
    '%BYTES_RECEIVED% %UPSTREAM_REQUEST_ATTEMPT_COUNT%',
  ),
  formatted('%PATH% and %QUERY_PARAM%', '%PATH(NQ)% %QUERY_PARAM(b)% %QUERY_PARAM(none)%'),
  formatted('%HOSTNAME% is not empty', '%HOSTNAME%'),
  formatted('%ENVIRONMENT% of a variable that is not set', '[%ENVIRONMENT(OUTRIGGER_NO_SUCH)%]'),
  formatted('metadata nobody wrote', '[%DYNAMIC_METADATA(a:b)%] [%FILTER_STATE(k:PLAIN)%]'),
  formatted(
    'the old list form of metadata',
    '[%DYNAMIC_METADATA(["a","b"])%] [%UPSTREAM_METADATA(["a","b"])%]',
  ),
  formatted('%PER_REQUEST_STATE%', '[%PER_REQUEST_STATE(k)%]'),
  formatted('%VIRTUAL_CLUSTER_NAME%', '[%VIRTUAL_CLUSTER_NAME%]'),
  formatted('%GRPC_STATUS% of plain HTTP', '[%GRPC_STATUS%]'),
  formatted('%CONNECTION_ID%-less text', '%REQ(x-forwarded-proto)% %REQUESTED_SERVER_NAME%'),
  {
    name: 'include_request_attempt_count and include_attempt_count_in_response',
    config: {
      virtualHost: { include_request_attempt_count: true, include_attempt_count_in_response: true },
    },
    client: inTurn(get('/'), get('/', 'x-envoy-attempt-count: 7')),
  },
  {
    name: 'attempt counts of a request that was tried again',
    config: {
      route: { retry_policy: { retry_on: '5xx', num_retries: 2 } },
      virtualHost: { include_request_attempt_count: true, include_attempt_count_in_response: true },
    },
    client: get('/'),
    upstream: {
      answers: ['HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n', ANSWER('x-envoy-attempt-count: 9')],
    },
  },
  {
    name: 'no attempt, no attempt count',
    config: {
      routes: [
        { match: { path: '/direct' }, direct_response: { status: 200 } },
        { match: { path: '/nc' }, route: { cluster: 'CASE-none' } },
      ],
      virtualHost: { include_request_attempt_count: true, include_attempt_count_in_response: true },
    },
    client: inTurn(get('/direct'), get('/nc'), get('/nowhere')),
  },
]);
