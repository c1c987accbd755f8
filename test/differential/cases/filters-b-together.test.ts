// Filters of this area one behind the other, and with the parts of the proxy that read what they wrote.
import zlib from 'node:zlib';
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import type { Json } from '../row.ts';

const EXTENSIONS = 'type.googleapis.com/envoy.extensions';
const library = (side: string): Json => ({
  name: 'lib',
  typed_config: { '@type': `${EXTENSIONS}.compression.gzip.${side}.v3.Gzip` },
});
const compressor = (config: Json = {}): Json =>
  filterOf('comp', 'filters.http.compressor.v3.Compressor', {
    compressor_library: library('compressor'),
    ...config,
  });
const decompressor: Json = filterOf('decomp', 'filters.http.decompressor.v3.Decompressor', {
  decompressor_library: library('decompressor'),
});
const buffer = (max_request_bytes: number): Json =>
  filterOf('buffer', 'filters.http.buffer.v3.Buffer', { max_request_bytes });
const toMetadata = (value: Json = {}): Json =>
  filterOf('h2m', 'filters.http.header_to_metadata.v3.Config', {
    request_rules: [
      { header: 'x-a', on_header_present: { metadata_namespace: 'n', key: 'k', ...value } },
    ],
  });
const state = (format: string, more: Json = {}): Json =>
  filterOf('state', 'filters.http.set_filter_state.v3.Config', {
    on_request_headers: [
      {
        object_key: 'o',
        factory_key: 'envoy.string',
        format_string: { text_format_source: { inline_string: format } },
      },
    ],
    ...more,
  });
const healthCheck: Json = filterOf('hc', 'filters.http.health_check.v3.HealthCheck', {
  pass_through_mode: false,
  headers: [{ name: ':path', string_match: { exact: '/hc' } }],
});
const csrf: Json = filterOf('csrf', 'filters.http.csrf.v3.CsrfPolicy', {
  filter_enabled: { default_value: { numerator: 100 } },
});
const always: Json = { default_value: { numerator: 100 } };
const bucket = (max_tokens: number): Json => ({
  max_tokens,
  tokens_per_fill: 1,
  fill_interval: '1000s',
});
const limit = (key: string, value: string): Json =>
  filterOf('rl', 'filters.http.local_ratelimit.v3.LocalRateLimit', {
    stat_prefix: 'CASE',
    filter_enabled: always,
    filter_enforced: always,
    token_bucket: bucket(1000),
    descriptors: [{ entries: [{ key, value }], token_bucket: bucket(1) }],
  });

const BODY = 'hello compressible world '.repeat(4);
const gzip = zlib.gzipSync(BODY).toString('latin1');
const GZIP = 'accept-encoding: gzip\r\n';
const get = (lines = '', path = '/'): string => `GET ${path} HTTP/1.1\r\nhost: h\r\n${lines}\r\n`;
const post = (lines: string, body: string): string =>
  `POST / HTTP/1.1\r\nhost: h\r\n${lines}content-length: ${body.length}\r\n\r\n${body}`;
const answer = (body: string, lines = 'content-type: text/plain\r\n'): string =>
  `HTTP/1.1 200 OK\r\n${lines}content-length: ${body.length}\r\n\r\n${body}`;
const two = [get('x-a: v\r\n'), { responses: 1 }, get('x-a: v\r\n'), { responses: 2 }] as const;

const COMES_AS_IT_CAME = 'a compressor gives away after each read what it has';

export const suite = await differential(import.meta.url, { wholeAnswers: COMES_AS_IT_CAME }, [
  {
    name: 'a decompressed request is buffered and told its plain length',
    config: { httpFilters: [decompressor, buffer(1000)] },
    client: post('content-encoding: gzip\r\n', gzip),
    expect: { status: 200, upstream: /content-length: 100\r\n/ },
  },
  {
    name: 'a decompressed request is too large for the buffer behind',
    config: { httpFilters: [decompressor, buffer(99)] },
    client: post('content-encoding: gzip\r\n', gzip),
    expect: { status: 413 },
  },
  {
    name: 'a compressed request is buffered',
    uncut: COMES_AS_IT_CAME,
    config: { httpFilters: [compressor({ request_direction_config: {} }), buffer(99)] },
    client: post('content-type: text/plain\r\n', BODY),
    expect: { status: 200, upstream: /content-length: \d\d\r\n/ },
  },
  {
    name: 'a response is decompressed, then compressed',
    config: { httpFilters: [compressor(), decompressor] },
    client: get(GZIP),
    upstream: answer(gzip, 'content-type: text/plain\r\ncontent-encoding: gzip\r\n'),
    expect: { client: /content-encoding: gzip/ },
  },
  {
    name: 'what is compressed is left alone by the compressor before',
    config: { httpFilters: [compressor(), { ...compressor(), name: 'inner' }] },
    client: get(GZIP),
    upstream: answer(BODY),
  },
  {
    name: 'a buffered request is tried again, compressed',
    config: {
      httpFilters: [buffer(1000), compressor({ request_direction_config: {} })],
      route: { retry_policy: { retry_on: '5xx', num_retries: 1 } },
    },
    client: post('content-type: text/plain\r\n', BODY),
    upstream: { answers: ['HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n', answer('ok')] },
    // Behind the buffer Envoy has the end with the last bytes, and need not flush before it.
    mask: [[/3[06]\r\n\x1f[^]*?\r\n0\r\n\r\n/g, 'GZIP']],
    uncut: COMES_AS_IT_CAME,
    expect: { status: 200 },
  },
  {
    name: 'HTTP/1.0 gets a compressed body that ends with the connection',
    config: {
      httpFilters: [compressor()],
      hcm: { http_protocol_options: { accept_http_10: true } },
    },
    client: [`GET / HTTP/1.0\r\nhost: h\r\n${GZIP}\r\n`, { closed: true }],
    upstream: answer(BODY),
  },
  {
    name: 'a health check is answered before a buffer and a compressor',
    config: { httpFilters: [compressor(), healthCheck, buffer(1)] },
    client: `POST /hc HTTP/1.1\r\nhost: h\r\n${GZIP}content-length: 5\r\n\r\nhello`,
    expect: { status: 200 },
  },
  {
    name: 'a refused origin is told before the body is here',
    config: { httpFilters: [csrf, buffer(1000)] },
    client: [
      `POST / HTTP/1.1\r\nhost: h\r\norigin: http://x\r\ncontent-length: 5\r\n\r\nhe`,
      { responses: 1 },
    ],
    expect: { status: 403 },
  },
  {
    name: 'a refused origin is told compressed',
    config: { httpFilters: [compressor({ content_length: 1 }), csrf] },
    client: `POST / HTTP/1.1\r\nhost: h\r\norigin: http://x\r\n${GZIP}content-length: 0\r\n\r\n`,
    mask: [
      [/\r\n\r\n[^]*/, '\r\n\r\nBODY'],
      [/out=\d+/, 'out=N'],
    ],
    expect: { status: 403, client: /content-encoding: gzip/ },
  },
  {
    name: 'filter state is made of metadata that a header gave',
    config: { httpFilters: [toMetadata(), state('<%DYNAMIC_METADATA(n:k)%>')] },
    client: get('x-a: v\r\n'),
    log: '%FILTER_STATE(o:PLAIN)%',
    expect: { log: /<v>/ },
  },
  {
    name: 'a header becomes metadata, and metadata chooses the route',
    config: {
      httpFilters: [toMetadata(), state('x', { clear_route_cache: true })],
      routes: [
        {
          match: {
            prefix: '/',
            dynamic_metadata: [
              { filter: 'n', path: [{ key: 'k' }], value: { string_match: { exact: 'v' } } },
            ],
          },
          direct_response: { status: 201 },
        },
        { match: { prefix: '/' }, direct_response: { status: 202 } },
      ],
    },
    client: get('x-a: v\r\n'),
    expect: { status: 201 },
  },
  {
    name: 'metadata of a header limits the rate',
    config: {
      httpFilters: [toMetadata(), limit('d', 'v')],
      route: {
        rate_limits: [
          {
            actions: [
              {
                metadata: { descriptor_key: 'd', metadata_key: { key: 'n', path: [{ key: 'k' }] } },
              },
            ],
          },
        ],
      },
    },
    client: two,
    uncut: 'the bucket outlives the play',
    expect: { status: [200, 429] },
  },
  {
    name: 'metadata that is no text limits nothing',
    config: {
      httpFilters: [toMetadata({ type: 'NUMBER' }), limit('d', '5')],
      route: {
        rate_limits: [
          {
            actions: [
              {
                metadata: { descriptor_key: 'd', metadata_key: { key: 'n', path: [{ key: 'k' }] } },
              },
            ],
          },
        ],
      },
    },
    client: [get('x-a: 5\r\n'), { responses: 1 }, get('x-a: 5\r\n'), { responses: 2 }],
    expect: { status: [200, 200] },
  },
  {
    name: 'metadata of the route limits the rate',
    config: {
      httpFilters: [limit('d', 'é')],
      routeMore: { metadata: { filter_metadata: { n: { a: { b: 'é' } } } } },
      route: {
        rate_limits: [
          {
            actions: [
              {
                metadata: {
                  descriptor_key: 'd',
                  source: 'ROUTE_ENTRY',
                  metadata_key: { key: 'n', path: [{ key: 'a' }, { key: 'b' }] },
                },
              },
            ],
          },
        ],
      },
    },
    client: two,
    uncut: 'the bucket outlives the play',
    expect: { status: [200, 429] },
  },
  {
    name: 'a header operation prints an object and metadata',
    config: {
      httpFilters: [toMetadata(), state('%REQ(x-a)%')],
      routeMore: {
        request_headers_to_add: [
          { header: { key: 'x-both', value: '%FILTER_STATE(o)% %DYNAMIC_METADATA(n:k)%' } },
        ],
      },
    },
    client: get('x-a: v\r\n'),
    expect: { upstream: /x-both: "v" v\r\n/ },
  },
  {
    name: 'a filter that a route switches off does nothing there',
    config: {
      httpFilters: [toMetadata(), compressor(), buffer(1)],
      routeMore: {
        typed_per_filter_config: Object.fromEntries(
          ['h2m', 'comp', 'buffer'].map((name) => [
            name,
            { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', disabled: true },
          ]),
        ),
      },
    },
    client: post(`x-a: v\r\n${GZIP}`, BODY),
    upstream: answer(BODY),
    log: '%DYNAMIC_METADATA(n)% %RESPONSE_CODE%',
    stats: ['http.CASE.compressor.*'],
    expect: { status: 200 },
  },
  {
    name: 'a filter that is off does its work where a route says so',
    config: {
      httpFilters: [{ ...compressor(), disabled: true }],
      routeMore: {
        typed_per_filter_config: {
          comp: { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', config: {} },
        },
      },
    },
    client: get(GZIP),
    upstream: answer(BODY),
  },
]);
