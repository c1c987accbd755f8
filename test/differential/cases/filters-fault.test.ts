// The fault filter: delays, aborts, slow responses, by configuration, header, route and runtime (envoy-behaviour §6).
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import type { Json } from '../row.ts';

const NAME = 'envoy.filters.http.fault';
const TYPE = 'filters.http.fault.v3.HTTPFault';
const ALL = { numerator: 100 };

const fault = (settings: Json) => ({ httpFilters: [filterOf(NAME, TYPE, settings)] });
const perRoute = (settings: Json) => ({
  [NAME]: { '@type': `type.googleapis.com/envoy.extensions.${TYPE}`, ...settings },
});
const abort = (http_status: number, percentage: Json = ALL) => ({
  abort: { http_status, percentage },
});
const delay = (seconds: string, percentage: Json = ALL) => ({
  delay: { fixed_delay: seconds, percentage },
});
const BY_HEADER = {
  delay: { header_delay: {}, percentage: ALL },
  abort: { header_abort: {}, percentage: ALL },
  response_rate_limit: { header_limit: {}, percentage: ALL },
};
const get = (...lines: readonly string[]): string =>
  `GET / HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const grpc = (...lines: readonly string[]): string =>
  `POST /s/m HTTP/1.1\r\nhost: h\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n${lines
    .map((line) => `${line}\r\n`)
    .join('')}\r\n`;

export const suite = await differential(
  import.meta.url,
  {
    stats: [
      'http.CASE.fault.*',
      'http.CASE.downstream_rq_5xx',
      'cluster.CASE-up.upstream_rq_total',
    ],
    bootstrap: {
      layered_runtime: {
        layers: [
          {
            name: 'static',
            static_layer: {
              always: 100,
              never: 0,
              teapot: 418,
              ms: 20,
              fault: { http: { shop: { abort: { abort_percent: 100, http_status: 410 } } } },
              half: { numerator: 1_000_000, denominator: 'MILLION' },
            },
          },
        ],
      },
    },
  },
  [
    {
      name: 'an abort answers in the upstream’s stead',
      config: fault(abort(503)),
      client: get(),
      expect: { status: 503, client: /fault filter abort/, log: / FI fault_filter_abort / },
    },
    {
      name: 'a percentage of zero aborts nobody',
      config: fault(abort(503, { numerator: 0 })),
      client: get(),
      expect: { status: 200 },
    },
    {
      name: 'an abort without a percentage aborts nobody',
      config: fault({ abort: { http_status: 503 } }),
      client: get(),
      expect: { status: 200 },
    },
    {
      name: 'a denominator of a million that is full aborts everybody',
      config: fault(abort(503, { numerator: 1_000_000, denominator: 'MILLION' })),
      client: get(),
      expect: { status: 503 },
    },
    {
      name: 'an abort may answer 200',
      config: fault(abort(200)),
      client: get(),
      expect: { status: 200, log: /FI/ },
    },
    {
      name: 'an abort takes its body from the settings',
      config: fault({ abort: { http_status: 500, percentage: ALL, response_body: 'broken' } }),
      client: get(),
      expect: { client: /broken/ },
    },
    {
      name: 'an abort answers HEAD without a body',
      config: fault(abort(503)),
      client: 'HEAD / HTTP/1.1\r\nhost: h\r\n\r\n',
    },
    {
      name: 'an abort before the body came ends the connection',
      config: fault(abort(503)),
      client: ['POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\n', { responses: 1 }],
      expect: { client: /connection: close/ },
      uncut: 'whether the body has come when the reply is written',
    },
    {
      name: 'a gRPC abort answers gRPC clients with its status',
      config: fault({ abort: { grpc_status: 5, percentage: ALL } }),
      client: grpc(),
      expect: { client: /grpc-status: 5/ },
    },
    {
      name: 'a gRPC abort answers others with 200 and the body',
      config: fault({ abort: { grpc_status: 5, percentage: ALL } }),
      client: get(),
      expect: { status: 200, client: /fault filter abort/ },
    },
    {
      name: 'an HTTP abort answers gRPC clients with the mapped status',
      config: fault(abort(429)),
      client: grpc(),
      expect: { client: /grpc-status: 14/ },
    },
    {
      name: 'a delay holds the request',
      config: fault(delay('0.05s')),
      client: get(),
      expect: { status: 200, log: / DI via_upstream / },
    },
    {
      name: 'a delay holds the body, too',
      config: fault(delay('0.05s')),
      client: 'POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello',
      expect: { upstream: /hello/ },
    },
    {
      name: 'a delay and an abort: both flags, delay first',
      config: fault({ ...delay('0.03s'), ...abort(500) }),
      client: get(),
      expect: { status: 500, log: / DI,FI / },
    },
    {
      name: 'a client that leaves during the delay is logged with both',
      config: fault(delay('5s')),
      client: [get(), { pauseMs: 60 }, { close: true }],
      uncut: 'the pause begins with the last byte',
    },
    {
      name: 'a header asks for an abort',
      config: fault(BY_HEADER),
      client: get('x-envoy-fault-abort-request: 418'),
      expect: { status: 418 },
    },
    ...['100', '199', '600', '418x', '-418', '', '99999999999999999999'].map((value) => ({
      name: `a header asks for an abort with '${value}': ignored`,
      config: fault(BY_HEADER),
      client: get(`x-envoy-fault-abort-request: ${value}`),
      expect: { status: 200 },
    })),
    {
      name: 'a header may ask with a plus sign',
      config: fault(BY_HEADER),
      client: get('x-envoy-fault-abort-request: +418'),
      expect: { status: 418 },
    },
    {
      name: 'of two abort headers the first counts',
      config: fault(BY_HEADER),
      client: get('x-envoy-fault-abort-request: 418', 'x-envoy-fault-abort-request: 419'),
      expect: { status: 418 },
    },
    {
      name: 'a header asks for a gRPC abort',
      config: fault(BY_HEADER),
      client: grpc('x-envoy-fault-abort-grpc-request: 7'),
      expect: { client: /grpc-status: 7/ },
    },
    {
      name: 'a header asks for a gRPC status that does not exist',
      config: fault(BY_HEADER),
      client: grpc('x-envoy-fault-abort-grpc-request: 99'),
      expect: { client: /grpc-status: 99/ },
    },
    {
      name: 'HTTP wins where headers ask for both aborts',
      config: fault(BY_HEADER),
      client: grpc('x-envoy-fault-abort-grpc-request: 7', 'x-envoy-fault-abort-request: 404'),
      expect: { client: /grpc-status: 12/ },
    },
    {
      name: 'a percentage header lowers to nothing',
      config: fault(BY_HEADER),
      client: get('x-envoy-fault-abort-request: 418', 'x-envoy-fault-abort-request-percentage: 0'),
      expect: { status: 200 },
    },
    {
      name: 'a percentage header cannot raise',
      config: fault({ abort: { header_abort: {}, percentage: { numerator: 0 } } }),
      client: get(
        'x-envoy-fault-abort-request: 418',
        'x-envoy-fault-abort-request-percentage: 100',
      ),
      expect: { status: 200 },
    },
    {
      name: 'a percentage header that is no number changes nothing',
      config: fault(BY_HEADER),
      client: get('x-envoy-fault-abort-request: 418', 'x-envoy-fault-abort-request-percentage: x'),
      expect: { status: 418 },
    },
    {
      name: 'fault headers do nothing where faults are fixed',
      config: fault(abort(503, { numerator: 0 })),
      client: get('x-envoy-fault-abort-request: 418'),
      expect: { status: 200, upstream: /x-envoy-fault-abort-request: 418/ },
    },
    {
      name: 'a header asks for a delay',
      config: fault(BY_HEADER),
      client: get('x-envoy-fault-delay-request: 30'),
      expect: { status: 200, log: / DI / },
    },
    {
      name: 'a header asks for a delay of nothing',
      config: fault(BY_HEADER),
      client: get('x-envoy-fault-delay-request: 0'),
      expect: { log: / - via_upstream / },
    },
    {
      name: 'headers ask for delay and abort',
      config: fault(BY_HEADER),
      client: get('x-envoy-fault-delay-request: 30', 'x-envoy-fault-abort-request: 503'),
      expect: { status: 503, log: / DI,FI / },
    },
    {
      name: 'a response is limited',
      config: fault({ response_rate_limit: { fixed_limit: { limit_kbps: 1 }, percentage: ALL } }),
      client: get(),
      upstream: `HTTP/1.1 200 OK\r\ncontent-length: 150\r\n\r\n${'x'.repeat(150)}`,
      expect: { status: 200, client: /x{150}/ },
    },
    {
      name: 'a limited chunked response keeps its end',
      config: fault({ response_rate_limit: { fixed_limit: { limit_kbps: 2 }, percentage: ALL } }),
      client: get(),
      upstream: `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nc8\r\n${'x'.repeat(200)}\r\n0\r\n\r\n`,
      expect: { status: 200 },
    },
    {
      name: 'a header limits the response',
      config: fault(BY_HEADER),
      client: get('x-envoy-fault-throughput-response: 2'),
      expect: { status: 200 },
    },
    {
      name: 'a header limits the response to nothing: ignored',
      config: fault(BY_HEADER),
      client: get('x-envoy-fault-throughput-response: 0'),
    },
    {
      name: 'the limit holds for the abort’s own body',
      config: fault({
        ...abort(503),
        response_rate_limit: { fixed_limit: { limit_kbps: 1 }, percentage: ALL },
      }),
      client: get(),
      expect: { status: 503, client: /fault filter abort/ },
    },
    {
      name: 'no faults are active where none may be',
      config: fault({ ...abort(503), max_active_faults: 0 }),
      client: get(),
      expect: { status: 200 },
    },
    {
      name: 'a fault for another cluster',
      config: fault({ ...abort(503), upstream_cluster: 'other' }),
      client: get(),
      expect: { status: 200 },
    },
    {
      name: 'a fault for this cluster',
      config: fault({ ...abort(503), upstream_cluster: 'CASE-up' }),
      client: get(),
      expect: { status: 503 },
    },
    {
      name: 'a fault for a node that the caller names',
      config: fault({ ...abort(503), downstream_nodes: ['n1', 'n2'] }),
      client: [
        get('x-envoy-downstream-service-node: n2'),
        { responses: 1 },
        get('x-envoy-downstream-service-node: n3'),
        { responses: 2 },
        get(),
      ],
      expect: { status: [503, 200, 200] },
    },
    {
      name: 'a fault for requests with headers',
      config: fault({
        ...abort(503),
        headers: [
          { name: 'end-user', string_match: { exact: 'jason' } },
          { name: ':path', string_match: { prefix: '/a' } },
        ],
      }),
      client: [
        'GET /a HTTP/1.1\r\nhost: h\r\nend-user: jason\r\n\r\n',
        { responses: 1 },
        'GET /b HTTP/1.1\r\nhost: h\r\nend-user: jason\r\n\r\n',
        { responses: 2 },
        'GET /a HTTP/1.1\r\nhost: h\r\n\r\n',
      ],
      expect: { status: [503, 200, 200] },
    },
    {
      name: 'a route replaces the filter’s settings whole',
      config: {
        ...fault({ ...abort(503), ...delay('0.02s') }),
        routeMore: { typed_per_filter_config: perRoute(abort(418)) },
      },
      client: get(),
      expect: { status: 418, log: / FI / },
    },
    {
      name: 'a route with empty settings has no faults',
      config: {
        ...fault(abort(503)),
        routeMore: { typed_per_filter_config: perRoute({}) },
      },
      client: get(),
      expect: { status: 200 },
    },
    {
      name: 'a virtual host’s settings count where the route has none',
      config: {
        ...fault({}),
        virtualHost: { typed_per_filter_config: perRoute(abort(418)) },
      },
      client: get(),
      expect: { status: 418 },
    },
    {
      name: 'no route: the fault comes before the 404',
      config: { ...fault(abort(503)), routes: [] },
      client: get(),
      expect: { status: 503 },
    },
    {
      name: 'a direct response is aborted, too',
      config: {
        ...fault(abort(503)),
        routes: [{ match: { prefix: '/' }, direct_response: { status: 204 } }],
      },
      client: get(),
      expect: { status: 503 },
    },
    {
      name: 'callers that name their cluster are counted apart',
      config: fault({ ...abort(503), ...delay('0.02s') }),
      client: get('x-envoy-downstream-service-cluster: bar.baz'),
    },
    {
      name: 'callers that name their cluster are not counted apart where that is off',
      config: fault({ ...abort(503), disable_downstream_cluster_stats: true }),
      client: get('x-envoy-downstream-service-cluster: bar'),
    },
    {
      name: 'runtime switches an abort on',
      config: fault({ ...abort(503, { numerator: 0 }), abort_percent_runtime: 'always' }),
      client: get(),
      expect: { status: 503 },
    },
    {
      name: 'runtime switches an abort on by fraction',
      config: fault({ ...abort(503, { numerator: 0 }), abort_percent_runtime: 'half' }),
      client: get(),
      expect: { status: 503 },
    },
    {
      name: 'runtime switches a delay off',
      config: fault({ ...delay('5s'), delay_percent_runtime: 'never' }),
      client: get(),
      expect: { status: 200, log: / - via_upstream / },
    },
    {
      name: 'runtime changes the status and the delay',
      config: fault({
        ...abort(503),
        ...delay('5s'),
        abort_http_status_runtime: 'teapot',
        delay_duration_runtime: 'ms',
      }),
      client: get(),
      expect: { status: 418, log: / DI,FI / },
    },
    {
      name: 'runtime of the calling cluster decides for its callers',
      config: fault({ ...abort(503, { numerator: 0 }) }),
      client: [
        get('x-envoy-downstream-service-cluster: shop'),
        { responses: 1 },
        get('x-envoy-downstream-service-cluster: other'),
      ],
      expect: { status: [410, 200] },
    },
    {
      name: 'runtime allows no active faults',
      config: fault({ ...abort(503), max_active_faults_runtime: 'never' }),
      client: get(),
      expect: { status: 200 },
    },
  ],
);
