// The buffer filter: whole requests or none, and what it says of too large ones.
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import type { Json } from '../row.ts';

const NAME = 'envoy.filters.http.buffer';
const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.buffer.v3';
const buffer = (max_request_bytes: number): Json =>
  filterOf(NAME, 'filters.http.buffer.v3.Buffer', { max_request_bytes });
const perRoute = (config: Json): Json => ({
  typed_per_filter_config: { [NAME]: { '@type': `${TYPE}.BufferPerRoute`, ...config } },
});

const LOG =
  '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% in=%BYTES_RECEIVED% out=%BYTES_SENT%';

const post = (length: number, more = ''): string =>
  `POST / HTTP/1.1\r\nhost: h\r\n${more}content-length: ${length}\r\n\r\n`;
const CHUNKED = 'POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n';
const bytes = (count: number): string => 'x'.repeat(count);

export const suite = await differential(
  import.meta.url,
  {
    config: { httpFilters: [buffer(10)] },
    log: LOG,
    stats: [
      'http.CASE.downstream_rq_too_large',
      'http.CASE.downstream_rq_4xx',
      'cluster.CASE-up.upstream_rq_total',
    ],
  },
  [
    {
      name: 'a request without body passes',
      client: 'GET / HTTP/1.1\r\nhost: h\r\n\r\n',
      expect: { status: 200 },
    },
    {
      name: 'a body within the limit passes',
      client: `${post(10)}${bytes(10)}`,
      expect: { status: 200, upstream: /xxxxxxxxxx/ },
    },
    {
      name: 'nothing goes upstream before the body is whole',
      client: [`${post(10)}${bytes(5)}`, { pauseMs: 60 }, bytes(5)],
      expect: { status: 200 },
    },
    {
      name: 'a client that goes away in the middle of its body never reaches the upstream',
      client: [`${post(10)}${bytes(5)}`, { pauseMs: 60 }, { close: true }],
      expect: { upstream: /^$/ },
    },
    {
      name: 'a body one byte above the limit is refused',
      client: `${post(11)}${bytes(11)}`,
      expect: { status: 413, upstream: /^$/ },
    },
    {
      name: 'a body above the limit is refused before its end',
      client: [`${post(1000)}${bytes(11)}`, { responses: 1 }],
      expect: { status: 413 },
    },
    {
      name: 'a length above the limit is no reason to refuse as long as the bytes are few',
      client: [`${post(1000)}${bytes(10)}`, { pauseMs: 60 }],
    },
    {
      name: 'a chunked body goes on with its length',
      client: `${CHUNKED}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`,
      expect: { status: 200, upstream: /content-length: 5\r\n(.*\r\n)*\r\nabcde/ },
    },
    {
      name: 'an empty chunked body goes on with length 0',
      client: `${CHUNKED}0\r\n\r\n`,
      expect: { status: 200, upstream: /content-length: 0/ },
    },
    {
      name: 'a chunked body above the limit is refused',
      client: `${CHUNKED}5\r\n${bytes(5)}\r\n6\r\n${bytes(6)}\r\n0\r\n\r\n`,
      expect: { status: 413 },
    },
    {
      name: 'trailers are dropped where the length is told',
      client: `${CHUNKED}3\r\nabc\r\n0\r\nx-trailer: t\r\n\r\n`,
      config: { hcm: { http_protocol_options: { enable_trailers: true } } },
      expect: { status: 200 },
    },
    {
      name: 'trailers alone end a body',
      client: `${CHUNKED}0\r\nx-trailer: t\r\n\r\n`,
      config: { hcm: { http_protocol_options: { enable_trailers: true } } },
      expect: { status: 200 },
    },
    {
      name: '100-continue is answered before the body is here',
      client: [post(3, 'expect: 100-continue\r\n'), { until: '100 Continue' }, 'abc'],
      expect: { status: 200 },
    },
    {
      name: 'a gRPC request that is too large gets a gRPC status',
      client: `${post(11, 'content-type: application/grpc\r\n')}${bytes(11)}`,
      expect: { status: 200 },
    },
    {
      name: 'a direct response waits for the body, too',
      client: `${post(11)}${bytes(11)}`,
      config: { routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }] },
      expect: { status: 413 },
    },
    {
      name: 'a route raises the limit',
      client: `${post(20)}${bytes(20)}`,
      config: { routeMore: perRoute({ buffer: { max_request_bytes: 20 } }) },
      expect: { status: 200 },
    },
    {
      name: 'a route lowers the limit',
      client: `${post(10)}${bytes(10)}`,
      config: { routeMore: perRoute({ buffer: { max_request_bytes: 9 } }) },
      expect: { status: 413 },
    },
    {
      name: 'a route switches buffering off',
      client: `${CHUNKED}14\r\n${bytes(20)}\r\n0\r\n\r\n`,
      config: { routeMore: perRoute({ disabled: true }) },
      expect: { status: 200, upstream: /transfer-encoding: chunked/ },
    },
    {
      name: 'a route switches on again what its virtual host switched off',
      client: `${post(10)}${bytes(10)}`,
      config: {
        virtualHost: perRoute({ disabled: true }),
        routeMore: perRoute({ buffer: { max_request_bytes: 9 } }),
      },
      expect: { status: 413 },
    },
    {
      name: 'the limit goes beyond that of the connection',
      client: `${post(3000)}${bytes(3000)}`,
      config: {
        httpFilters: [buffer(4000)],
        listener: { per_connection_buffer_limit_bytes: 1024 },
      },
      expect: { status: 200 },
    },
    {
      name: 'what comes behind a buffered request is served next',
      client: [`${post(3)}abc${post(3)}def`, { responses: 2 }],
      expect: { status: [200, 200] },
    },
    {
      name: 'a buffered request is tried again',
      client: `${CHUNKED}3\r\nabc\r\n0\r\n\r\n`,
      config: { route: { retry_policy: { retry_on: '5xx', num_retries: 1 } } },
      upstream: {
        answers: [
          'HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n',
          'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
        ],
      },
      expect: { status: 200 },
    },
  ],
);
