// What is counted by virtual cluster and by route (envoy-behaviour §3.10).
import { differential } from '../differential.ts';
import { get, inTurn } from '../requests.ts';
import type { Json, Row } from '../row.ts';

const SERVED = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const FAILED = 'HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n';

const VIRTUAL_CLUSTERS = [
  { name: 'first', headers: [{ name: ':path', string_match: { prefix: '/a' } }] },
  {
    name: 'sec.ond',
    headers: [
      { name: ':method', string_match: { exact: 'POST' } },
      { name: 'x-a', present_match: true },
    ],
  },
];

const to = (prefix: string, more: Json = {}, route: Json = {}): Json => ({
  match: { prefix },
  route: { cluster: 'CASE-up', ...route },
  ...more,
});

const row = (name: string, routes: readonly Json[], rest: Partial<Row>, vhost: Json = {}): Row => ({
  name,
  config: { virtualHosts: [{ name: 'CASE', domains: ['*'], routes, ...vhost }] },
  client: inTurn(get('/')),
  ...rest,
});

const SORTED = { virtual_clusters: VIRTUAL_CLUSTERS };

export const suite = await differential(
  import.meta.url,
  {
    stats: ['vhost.CASE.*'],
    log: '%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %VIRTUAL_CLUSTER_NAME%',
  },
  [
    row(
      'requests are sorted by their heads',
      [to('/')],
      {
        client: inTurn(
          get('/a'),
          get('/ab?c'),
          'POST / HTTP/1.1\r\nhost: h\r\nx-a: 1\r\ncontent-length: 0\r\n\r\n',
          'POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n',
          get('/'),
        ),
      },
      SORTED,
    ),
    row(
      'a route with a stat_prefix is counted by itself',
      [to('/s', { stat_prefix: 'pre.fix' }), to('/')],
      {
        client: inTurn(get('/s'), get('/s'), get('/')),
      },
    ),
    row(
      'both at once',
      [to('/', { stat_prefix: 'r' })],
      { client: inTurn(get('/a'), get('/')) },
      SORTED,
    ),
    row(
      'direct responses, redirects and missing clusters are not counted',
      [
        { match: { path: '/d' }, direct_response: { status: 200 }, stat_prefix: 'd' },
        { match: { path: '/r' }, redirect: { host_redirect: 'x' }, stat_prefix: 'r' },
        { match: { path: '/n' }, route: { cluster: 'CASE-none' }, stat_prefix: 'n' },
      ],
      { client: inTurn(get('/d'), get('/r'), get('/n'), get('/none')) },
      SORTED,
    ),
    row(
      'retries that succeed',
      [to('/', { stat_prefix: 'r' }, { retry_policy: { retry_on: '5xx', num_retries: 2 } })],
      { upstream: { answers: [FAILED, FAILED, SERVED] } },
      SORTED,
    ),
    row(
      'retries beyond their limit',
      [to('/', { stat_prefix: 'r' }, { retry_policy: { retry_on: '5xx', num_retries: 1 } })],
      { upstream: FAILED },
      SORTED,
    ),
    row(
      'an overflow of retries',
      [to('/', { stat_prefix: 'r' }, { retry_policy: { retry_on: '5xx', num_retries: 1 } })],
      {
        upstream: FAILED,
        config: {
          virtualHosts: [
            {
              name: 'CASE',
              domains: ['*'],
              routes: [
                to(
                  '/',
                  { stat_prefix: 'r' },
                  { retry_policy: { retry_on: '5xx', num_retries: 1 } },
                ),
              ],
              ...SORTED,
            },
          ],
          clusters: { up: { circuit_breakers: { thresholds: [{ max_retries: 0 }] } } },
        },
      },
    ),
    row(
      'a time-out',
      [to('/', { stat_prefix: 'r' }, { timeout: '0.15s' })],
      { upstream: [] },
      SORTED,
    ),
    row(
      'an upstream that refuses',
      [to('/', { stat_prefix: 'r' })],
      { upstream: { refuses: true } },
      SORTED,
    ),
    row(
      'an upstream that resets',
      [to('/', { stat_prefix: 'r' })],
      { upstream: [{ reset: true }] },
      SORTED,
    ),
    row('a cluster without hosts', [to('/', { stat_prefix: 'r' }, { cluster: 'CASE-empty' })], {
      config: {
        virtualHosts: [
          {
            name: 'CASE',
            domains: ['*'],
            routes: [to('/', { stat_prefix: 'r' }, { cluster: 'CASE-empty' })],
            ...SORTED,
          },
        ],
        clusters: { empty: {} },
      },
    }),
    row(
      'a 4xx and an odd code',
      [to('/', { stat_prefix: 'r' })],
      {
        client: inTurn(get('/'), get('/a')),
        upstream: {
          answers: [
            'HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n',
            'HTTP/1.1 299 Odd\r\ncontent-length: 0\r\n\r\n',
          ],
        },
      },
      SORTED,
    ),
    row(
      'the head is looked at before the route changes it',
      [
        to(
          '/',
          {
            request_headers_to_remove: ['x-a'],
            request_headers_to_add: [{ header: { key: 'x-b', value: 'b' } }],
          },
          { prefix_rewrite: '/a' },
        ),
      ],
      {
        client: inTurn(get('/', 'x-a: 1'), get('/', 'x-b: b')),
      },
      {
        virtual_clusters: [
          { name: 'a', headers: [{ name: 'x-a' }] },
          { name: 'b', headers: [{ name: 'x-b' }] },
          { name: 'path', headers: [{ name: ':path', string_match: { prefix: '/a' } }] },
        ],
      },
    ),
    row(
      'a virtual cluster called other, and one given twice',
      [to('/')],
      {
        client: inTurn(get('/', 'x-a: 1'), get('/', 'x-b: 1'), get('/')),
      },
      {
        virtual_clusters: [
          { name: 'other', headers: [{ name: 'x-a' }] },
          { name: 'twice', headers: [{ name: 'x-b' }] },
          { name: 'twice', headers: [{ name: 'x-c' }] },
        ],
      },
    ),
    row(
      'gRPC',
      [to('/', { stat_prefix: 'r' })],
      {
        client: get('/', 'content-type: application/grpc'),
        upstream:
          'HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 14\r\ncontent-length: 0\r\n\r\n',
      },
      SORTED,
    ),
  ],
);
