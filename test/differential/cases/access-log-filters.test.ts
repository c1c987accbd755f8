// Which requests a log tells of: every filter of access logs (envoy-behaviour §11.1).
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import type { CaseConfig, Json, Row } from '../row.ts';

const get = (target = '/', ...lines: readonly string[]): string =>
  `GET ${target} HTTP/1.1\r\nHost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;

const LOG = '%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %ACCESS_LOG_TYPE%';

const filtered = (filter: Json, more: Json = {}): CaseConfig => ({
  hcm: {
    access_log: [
      {
        name: 'envoy.access_loggers.file',
        filter,
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
          path: 'LOG',
          log_format: { text_format_source: { inline_string: `${LOG}\n` } },
        },
      },
    ],
    ...more,
  },
});

/** One answer of each kind; the log's lines tell which passed. */
const ANSWERS = ['200', '201', '302', '404', '499', '500', '503'] as const;
const answers = {
  answers: ANSWERS.map((code) => `HTTP/1.1 ${code} X\r\ncontent-length: 0\r\n\r\n`),
};
const requests: Row['client'] = ANSWERS.flatMap((code, index) => [
  get(`/${code}`),
  { responses: index + 1 },
]);
const ANSWERED = { client: requests, upstream: answers };

const comparison = (op: string, default_value: number, runtime_key = 'unknown'): Json => ({
  comparison: { op, value: { default_value, runtime_key } },
});
const header = (match: Json): Json => ({ header_filter: { header: match } });
const grpcAnswer = (status: string): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: ${status}\r\ncontent-length: 0\r\n\r\n`;
const GRPC = {
  client: ['0', '2', '5', '14', '99', 'x'].flatMap((status, index) => [
    get(`/${status}`, 'content-type: application/grpc'),
    { responses: index + 1 },
  ]),
  upstream: { answers: ['0', '2', '5', '14', '99', 'x'].map(grpcAnswer) },
};
const METADATA = (filter: Json): CaseConfig => ({
  ...filtered({ metadata_filter: filter }),
  httpFilters: [
    filterOf('envoy.filters.http.set_metadata', 'filters.http.set_metadata.v3.Config', {
      metadata: [{ metadata_namespace: 'mine', value: { a: 'text', b: true } }],
    }),
  ],
});
const matcher = (key: string, value: Json, more: Json = {}): Json => ({
  filter: 'mine',
  path: [{ key }],
  value,
  ...more,
});
const id = (hex: string): string => `x-request-id: ${hex}-0000-4000-8000-000000000001`;
const percent = (numerator: number, more: Json = {}): Json => ({
  runtime_filter: { runtime_key: 'unknown', percent_sampled: { numerator }, ...more },
});
/** 0, 49, 50, 99 of 100. */
const IDS: Row['client'] = ['00000000', '00000031', '00000032', '00000063', '00000064'].flatMap(
  (hex, index) => [get(`/${hex}`, id(hex)), { responses: index + 1 }],
);

const status = (op: string, value: number): Row => ({
  name: `status ${op} ${value}`,
  ...ANSWERED,
  config: filtered({ status_code_filter: comparison(op, value) }),
});

export const suite = await differential(
  import.meta.url,
  {
    bootstrap: {
      layered_runtime: {
        layers: [{ name: 'static', static_layer: { five_hundred: 500, all: 100, none: 0 } }],
      },
    },
  },
  [
    status('EQ', 404),
    status('GE', 404),
    status('LE', 302),
    status('NE', 200),
    {
      name: 'a status that the runtime knows',
      ...ANSWERED,
      config: filtered({ status_code_filter: comparison('GE', 200, 'five_hundred') }),
    },
    {
      name: 'the status of a request that is never answered is 0',
      client: [get(), { upstreamGets: 'GET' }, { close: true }, { upstreamEnds: true }],
      upstream: [],
      config: filtered({ status_code_filter: comparison('LE', 0) }),
    },
    {
      name: 'a duration that is reached',
      client: get(),
      upstream: [{ pauseMs: 60 }, 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'],
      config: filtered({ duration_filter: comparison('GE', 50) }),
    },
    {
      name: 'a duration that is not reached',
      client: get(),
      config: filtered({ duration_filter: comparison('GE', 5000) }),
    },
    {
      name: 'a header that is there',
      client: [get('/1', 'x: a'), { responses: 1 }, get('/2'), { responses: 2 }],
      config: filtered(header({ name: 'x', present_match: true })),
    },
    {
      name: 'a header that is not there',
      client: [get('/1', 'x: a'), { responses: 1 }, get('/2'), { responses: 2 }],
      config: filtered(header({ name: 'x', present_match: true, invert_match: true })),
    },
    {
      name: 'a header that matches a regex',
      client: [get('/1', 'x: abc'), { responses: 1 }, get('/2', 'x: b'), { responses: 2 }],
      config: filtered(header({ name: 'X', string_match: { safe_regex: { regex: 'a.*c' } } })),
    },
    {
      name: 'a path that begins so',
      client: [get('/health/x'), { responses: 1 }, get('/2'), { responses: 2 }],
      config: filtered(
        header({ name: ':path', string_match: { prefix: '/health' }, invert_match: true }),
      ),
    },
    {
      name: 'a header of a request that is no HTTP',
      client: 'GET / HTTP/1.1\r\nx: a\r\nho st: h\r\n\r\n',
      config: filtered(header({ name: 'x', present_match: true })),
    },
    {
      name: 'any flag',
      client: get(),
      upstream: { refuses: true },
      config: filtered({ response_flag_filter: {} }),
    },
    {
      name: 'any flag where there is none',
      client: get(),
      config: filtered({ response_flag_filter: {} }),
    },
    {
      name: 'a flag of the list',
      client: get(),
      upstream: { refuses: true },
      config: filtered({ response_flag_filter: { flags: ['NR', 'UF'] } }),
    },
    {
      name: 'no flag of the list',
      client: get(),
      upstream: { refuses: true },
      config: filtered({ response_flag_filter: { flags: ['NR', 'UH'] } }),
    },
    {
      name: 'all filters have to pass',
      ...ANSWERED,
      config: filtered({
        and_filter: {
          filters: [
            { status_code_filter: comparison('GE', 300) },
            { status_code_filter: comparison('LE', 404) },
          ],
        },
      }),
    },
    {
      name: 'one filter has to pass',
      ...ANSWERED,
      config: filtered({
        or_filter: {
          filters: [
            { status_code_filter: comparison('EQ', 201) },
            {
              and_filter: {
                filters: [
                  { status_code_filter: comparison('GE', 500) },
                  header({ name: ':path', string_match: { exact: '/503' } }),
                ],
              },
            },
          ],
        },
      }),
    },
    {
      name: 'requests that are no health checks',
      client: [get('/1'), { responses: 1 }, get('/healthz'), { responses: 2 }],
      config: {
        ...filtered({ not_health_check_filter: {} }),
        httpFilters: [
          filterOf('envoy.filters.http.health_check', 'filters.http.health_check.v3.HealthCheck', {
            pass_through_mode: false,
            headers: [{ name: ':path', string_match: { exact: '/healthz' } }],
          }),
        ],
      },
    },
    {
      name: 'requests that are traced by force, without tracing',
      client: get('/', 'x-envoy-force-trace: 1'),
      config: filtered({ traceable_filter: {} }),
    },
    {
      name: 'gRPC status of a list',
      ...GRPC,
      config: filtered({ grpc_status_filter: { statuses: ['OK', 'UNAVAILABLE'] } }),
    },
    {
      name: 'gRPC status of no list',
      ...GRPC,
      config: filtered({ grpc_status_filter: { statuses: ['OK', 'UNKNOWN'], exclude: true } }),
    },
    {
      name: 'gRPC status of plain answers',
      ...ANSWERED,
      config: filtered({
        grpc_status_filter: { statuses: ['UNKNOWN', 'UNAVAILABLE', 'UNIMPLEMENTED'] },
      }),
    },
    {
      name: 'a share of requests, by their id',
      client: IDS,
      config: filtered(percent(50), { preserve_external_request_id: true }),
    },
    {
      name: 'a share that the runtime knows: all',
      client: IDS,
      config: filtered(percent(0, { runtime_key: 'all' })),
    },
    {
      name: 'a share that the runtime knows: none',
      client: IDS,
      config: filtered(percent(100, { runtime_key: 'none' })),
    },
    {
      name: 'a share of a million',
      client: IDS,
      config: filtered({
        runtime_filter: {
          runtime_key: 'unknown',
          percent_sampled: { numerator: 50, denominator: 'MILLION' },
        },
      }),
    },
    {
      name: 'no share',
      client: IDS,
      config: filtered({ runtime_filter: { runtime_key: 'unknown' } }),
    },
    {
      name: 'all requests, by independent randomness',
      client: IDS,
      config: filtered(percent(100, { use_independent_randomness: true })),
    },
    {
      name: 'log types of a list',
      client: get(),
      config: filtered(
        { log_type_filter: { types: ['DownstreamStart'] } },
        { access_log_options: { flush_access_log_on_new_request: true } },
      ),
    },
    {
      name: 'log types of no list',
      client: get(),
      config: filtered(
        { log_type_filter: { types: ['DownstreamStart'], exclude: true } },
        { access_log_options: { flush_access_log_on_new_request: true } },
      ),
    },
    ...(
      [
        ['a value that matches', { matcher: matcher('a', { string_match: { exact: 'text' } }) }],
        ['a value that does not', { matcher: matcher('a', { string_match: { exact: 'other' } }) }],
        ['a key that is missing', { matcher: matcher('c', { bool_match: true }) }],
        [
          'a key that is missing and should not be',
          { matcher: matcher('c', { bool_match: true }), match_if_key_not_found: false },
        ],
        ['an inverted matcher', { matcher: matcher('b', { bool_match: true }, { invert: true }) }],
        ['no matcher', {}],
        ['no matcher, and nothing found', { match_if_key_not_found: false }],
      ] as const
    ).map(([what, filter]): Row => ({
      name: `metadata: ${what}`,
      client: get(),
      config: METADATA(filter),
    })),
  ],
);
