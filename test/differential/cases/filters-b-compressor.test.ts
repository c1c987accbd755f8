// The compressor filter: who gets what, by which encoding, and what is counted. Bodies are so small that every build of
// the libraries makes the same bytes of them.
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import type { Json, Row } from '../row.ts';

const NAME = 'envoy.filters.http.compressor';
type Library = 'gzip' | 'brotli' | 'zstd';

const library = (kind: Library, config: Json = {}): Json => ({
  name: `lib_${kind}`,
  typed_config: {
    '@type': `type.googleapis.com/envoy.extensions.compression.${kind}.compressor.v3.${kind[0]!.toUpperCase()}${kind.slice(1)}`,
    ...config,
  },
});
const compressor = (config: Json = {}, kind: Library = 'gzip', name = NAME): Json =>
  filterOf(name, 'filters.http.compressor.v3.Compressor', {
    compressor_library: library(kind),
    ...config,
  });
const response = (config: Json): Json => compressor({ response_direction_config: config });
const off: Json = { enabled: { default_value: false, runtime_key: 'off' } };
const perRoute = (config: Json): Json => ({
  typed_per_filter_config: {
    [NAME]: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.compressor.v3.CompressorPerRoute',
      ...config,
    },
  },
});

const BODY = 'hello compressible world '.repeat(4);
const PLAIN = 'content-type: text/plain\r\n';
const GZIP = 'accept-encoding: gzip\r\n';
const answer = (lines = PLAIN, body = BODY, status = '200 OK'): string =>
  `HTTP/1.1 ${status}\r\n${lines}content-length: ${body.length}\r\n\r\n${body}`;
const chunked = (lines: string, ...pieces: string[]): string =>
  `HTTP/1.1 200 OK\r\n${lines}transfer-encoding: chunked\r\n\r\n` +
  `${pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join('')}0\r\n\r\n`;
const get = (lines = GZIP): string => `GET / HTTP/1.1\r\nhost: h\r\n${lines}\r\n`;

const responses: readonly (readonly [name: string, upstream: string, lines?: string])[] = [
  ['text of known length', answer()],
  ['text in a chunk', chunked(PLAIN, BODY)],
  ['a client without accept-encoding', answer(), ''],
  ['29 bytes', answer(PLAIN, 'x'.repeat(29))],
  ['30 bytes', answer(PLAIN, 'x'.repeat(30))],
  ['no content type', answer('')],
  ['an empty content type', answer('content-type: \r\n')],
  ['an image', answer('content-type: image/png\r\n')],
  ['an image for a client without accept-encoding', answer('content-type: image/png\r\n'), ''],
  ['a type with parameters', answer('content-type: text/html ; charset=utf-8\r\n')],
  ['a type in upper case', answer('content-type: TEXT/HTML\r\n')],
  ['what is encoded already', answer(`${PLAIN}content-encoding: br\r\n`)],
  ['the identity encoding', answer(`${PLAIN}content-encoding: identity\r\n`)],
  ['no-transform', answer(`${PLAIN}cache-control: public, No-Transform\r\n`)],
  ['a strong entity tag', answer(`${PLAIN}etag: "abc"\r\n`)],
  ['a weak entity tag', answer(`${PLAIN}etag: W/"abc"\r\n`)],
  ['a short entity tag', answer(`${PLAIN}etag: a\r\n`)],
  ['vary', answer(`${PLAIN}vary: Origin\r\n`)],
  ['vary with Accept-Encoding', answer(`${PLAIN}vary: Origin, Accept-Encoding\r\n`)],
  ['vary with accept-encoding in lower case', answer(`${PLAIN}vary: accept-encoding\r\n`)],
  ['an error', answer(PLAIN, BODY, '500 No')],
  ['a part of something', answer(`${PLAIN}content-range: bytes 0-99/100\r\n`, BODY, '206 Part')],
  ['no content', 'HTTP/1.1 204 No\r\ncontent-type: text/plain\r\n\r\n'],
  ['an empty body', answer(PLAIN, '')],
];

const acceptable = [
  'gzip;q=0',
  'gzip;q=0.5',
  'gzip; Q=1',
  'deflate, gzip',
  'br',
  '*',
  '*;q=0',
  'identity',
  'identity, gzip',
  'gzip;q=0.5, identity;q=0.6',
  'gzip, identity;q=1',
  '',
  'gzip;q=abc',
  'gzip;q=',
  'gzip;x=1;q=0',
  'GZIP',
  'x-gzip',
  'gzip;q=2',
  'gzip;q=-1',
  '*, gzip;q=0',
  'deflate;q=1, *;q=0.1',
  'identity;q=0',
  ',,gzip',
  'gzip,gzip;q=0',
  'gzip;q=1e-1',
  'gzip ; q = 0.5',
  'gzip;q=0x1',
  'gzip;q=nan',
  'br;q=inf, gzip',
];
const three = (first: Json = {}, second: Json = {}, third: Json = {}): readonly Json[] => [
  compressor(first, 'gzip', 'c.gzip'),
  compressor(second, 'brotli', 'c.br'),
  compressor(third, 'zstd', 'c.zstd'),
];
const ofThree = [
  'gzip, br, zstd',
  'br, gzip',
  'zstd;q=0.9, br;q=0.8',
  '*',
  '*, gzip;q=0',
  'identity;q=0.5, *;q=0.5',
  'zstd',
];
const brFirst = [
  'gzip, br',
  'br, gzip',
  'identity, br',
  '*, br',
  '*',
  'gzip, br;q=0.9',
  'gzip;q=0.1, br;q=0.1, *;q=0.1',
];
const html: Json = {
  response_direction_config: { common_config: { content_type: ['text/html'] } },
};
const withStatus = response({
  status_header_enabled: true,
  disable_on_etag_header: true,
  uncompressible_response_codes: [206],
});
const statuses: readonly (readonly [name: string, upstream: string, lines?: string])[] = [
  ['compressed', answer()],
  ['compressed from chunks', chunked(PLAIN, BODY)],
  ['no accept-encoding', answer(), ''],
  ['too short', answer(PLAIN, 'xx')],
  ['too short an image', answer('content-type: image/png\r\n', 'xx')],
  ['an image with an entity tag', answer('content-type: image/png\r\netag: "a"\r\n')],
  ['an entity tag and a code', answer(`${PLAIN}etag: "a"\r\n`, BODY, '206 Part')],
  ['a code', answer(PLAIN, BODY, '206 Part')],
  ['encoded already', answer(`${PLAIN}content-encoding: br\r\n`, 'xx')],
  ['no-transform', answer('content-type: image/png\r\ncache-control: no-transform\r\n')],
  ['another status', answer(`${PLAIN}x-envoy-compression-status: foo\r\n`)],
  ['another encoding wanted', answer(), 'accept-encoding: br\r\n'],
  ['no content', 'HTTP/1.1 204 No\r\ncontent-type: image/png\r\n\r\n'],
];

const row = (
  name: string,
  httpFilters: readonly Json[],
  upstream: string,
  lines?: string,
): Row => ({
  name,
  config: { httpFilters },
  client: get(lines),
  upstream,
});

const post = (lines: string, body = BODY): string =>
  `POST / HTTP/1.1\r\nhost: h\r\n${lines}content-length: ${body.length}\r\n\r\n${body}`;
const requestsOn: Json = compressor({ request_direction_config: {} });
const requests: readonly (readonly [name: string, client: string])[] = [
  ['text of known length', post(PLAIN)],
  ['a short one', post(PLAIN, 'xx')],
  ['an image', post('content-type: image/png\r\n')],
  ['what is encoded already', post(`${PLAIN}content-encoding: br\r\n`)],
  ['no-transform does not count', post(`${PLAIN}cache-control: no-transform\r\n`)],
  ['without body', get()],
];

const COMES_AS_IT_CAME = 'compressed bytes depend on how the plain ones came';

export const suite = await differential(
  import.meta.url,
  {
    stats: ['http.CASE.compressor.*'],
    wholeAnswers: COMES_AS_IT_CAME,
  },
  [
    ...responses.map(([name, upstream, lines]) =>
      row(`response: ${name}`, [compressor()], upstream, lines),
    ),
    ...acceptable.map((wish) =>
      row(`accept-encoding: ${wish}`, [compressor()], answer(), `accept-encoding: ${wish}\r\n`),
    ),
    ...ofThree.map((wish) =>
      row(
        `three filters, accept-encoding: ${wish}`,
        three(),
        answer(),
        `accept-encoding: ${wish}\r\n`,
      ),
    ),
    ...brFirst.map((wish) =>
      row(
        `brotli goes first, accept-encoding: ${wish}`,
        three({}, { choose_first: true }),
        answer(),
        `accept-encoding: ${wish}\r\n`,
      ),
    ),
    ...['gzip, br', '*', 'gzip'].map((wish) =>
      row(
        `gzip is for other types, accept-encoding: ${wish}`,
        three(html),
        answer(),
        `accept-encoding: ${wish}\r\n`,
      ),
    ),
    ...statuses.map(([name, upstream, lines]) =>
      row(`status header: ${name}`, [withStatus], upstream, lines),
    ),
    ...requests.map(([name, client]): Row => ({
      name: `request: ${name}`,
      config: { httpFilters: [requestsOn] },
      client,
      uncut: COMES_AS_IT_CAME,
    })),
    {
      name: 'request: in chunks with trailers',
      config: {
        httpFilters: [requestsOn],
        hcm: { http_protocol_options: { enable_trailers: true } },
      },
      client: `POST / HTTP/1.1\r\nhost: h\r\n${PLAIN}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-t: v\r\n\r\n`,
      uncut: COMES_AS_IT_CAME,
    },
    {
      name: 'HEAD is told what may vary',
      config: { httpFilters: [compressor()] },
      client: `HEAD / HTTP/1.1\r\nhost: h\r\n${GZIP}\r\n`,
      upstream: `HTTP/1.1 200 OK\r\n${PLAIN}content-length: 100\r\n\r\n`,
    },
    {
      name: 'two lines of accept-encoding',
      config: { httpFilters: [compressor()] },
      client: get('accept-encoding: br\r\naccept-encoding: gzip\r\n'),
      upstream: answer(),
    },
    {
      name: 'a local reply is compressed, too',
      config: {
        httpFilters: [compressor()],
        routes: [
          {
            match: { prefix: '/' },
            direct_response: { status: 404, body: { inline_string: BODY } },
          },
        ],
      },
      client: get(),
      // Here Envoy has the end with the last bytes, and need not flush before it.
      mask: [
        [/3[06]\r\n\x1f[^]*(?=\r\n0\r\n)/, 'GZIP'],
        [/out=\d+/, 'out=N'],
      ],
      stats: ['http.CASE.compressor.lib_gzip.gzip.compressed'],
    },
    row(
      'entity tags switch it off where asked',
      [response({ disable_on_etag_header: true })],
      answer(`${PLAIN}etag: "a"\r\n`),
    ),
    row(
      'entity tags are weakened where asked',
      [response({ weaken_etag_on_compress: true })],
      answer(`${PLAIN}etag: "a"\r\n`),
    ),
    row(
      'codes that stay as they are',
      [response({ uncompressible_response_codes: [206, 404] })],
      answer(PLAIN, BODY, '404 No'),
    ),
    row(
      'the upstream does not hear of accept-encoding where asked',
      [response({ remove_accept_encoding_header: true })],
      answer(),
    ),
    row(
      'a side that is off hears of it',
      [response({ remove_accept_encoding_header: true, common_config: off })],
      answer(),
    ),
    row(
      'a length and types of its own',
      [response({ common_config: { min_content_length: 100, content_type: ['text/Foo'] } })],
      answer('content-type: TEXT/foo\r\n'),
    ),
    row(
      'a length of 0 is the default',
      [response({ common_config: { min_content_length: 0 } })],
      answer(PLAIN, 'x'),
    ),
    row(
      'matchers instead of types',
      [
        response({
          common_config: {
            content_type: ['text/plain'],
            content_type_matcher: [{ suffix: '+json' }],
          },
        }),
      ],
      answer('content-type: a/b+json;x\r\n'),
    ),
    row(
      'types are of no account beside matchers',
      [
        response({
          common_config: {
            content_type: ['text/plain'],
            content_type_matcher: [{ suffix: '+json' }],
          },
        }),
      ],
      answer(),
    ),
    row(
      'the deprecated fields',
      [
        compressor({
          content_length: 100,
          content_type: ['text/foo'],
          disable_on_etag_header: true,
        }),
      ],
      answer('content-type: text/foo\r\n'),
    ),
    row(
      'the deprecated switch',
      [compressor({ runtime_enabled: { default_value: false, runtime_key: 'off' } })],
      answer(),
    ),
    row(
      'a filter that is off still takes part in the choice',
      three({ response_direction_config: { common_config: off } }),
      answer(),
      'accept-encoding: gzip, br\r\n',
    ),
    {
      name: 'a route switches compression off',
      config: { httpFilters: [compressor()], routeMore: perRoute({ disabled: true }) },
      client: get(),
      upstream: answer(),
    },
    {
      name: 'a route switches compression on',
      config: {
        httpFilters: [response({ common_config: off })],
        routeMore: perRoute({ overrides: { response_direction_config: {} } }),
      },
      client: get(),
      upstream: answer(),
    },
    {
      name: 'a route keeps accept-encoding from the upstream',
      config: {
        httpFilters: [compressor()],
        routeMore: perRoute({
          overrides: { response_direction_config: { remove_accept_encoding_header: true } },
        }),
      },
      client: get(),
      upstream: answer(),
    },
    {
      name: 'a route brings a library of its own',
      config: {
        httpFilters: [compressor()],
        routeMore: perRoute({ overrides: { compressor_library: library('brotli') } }),
      },
      client: get('accept-encoding: br\r\n'),
      upstream: answer(),
    },
    {
      name: 'the upstream cuts a compressed answer',
      config: { httpFilters: [compressor()] },
      client: [get(), { closed: true }],
      upstream: [
        `HTTP/1.1 200 OK\r\n${PLAIN}content-length: 200\r\n\r\n${BODY}`,
        { pauseMs: 40 },
        { close: true },
      ],
    },
    {
      name: 'a websocket is left alone',
      config: {
        httpFilters: [compressor()],
        hcm: { upgrade_configs: [{ upgrade_type: 'websocket' }] },
      },
      client: [
        get(`${GZIP}connection: upgrade\r\nupgrade: websocket\r\n`),
        { until: '101' },
        'ping',
        { until: 'pong' },
      ],
      upstream: [
        { tunnel: true },
        'HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
        { until: 'ping' },
        `pong ${BODY}`,
      ],
    },
    ...(['gzip', 'br', 'zstd'] as const).map((encoding): Row => ({
      name: `a body that comes slowly, ${encoding}`,
      config: { httpFilters: three() },
      client: [get(`accept-encoding: ${encoding}\r\n`), { responses: 1 }],
      upstream: [
        `HTTP/1.1 200 OK\r\n${PLAIN}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n`,
        { pauseMs: 40 },
        '5\r\nworld\r\n',
        { pauseMs: 40 },
        '0\r\n\r\n',
      ],
    })),
    {
      name: 'two answers of one connection',
      config: { httpFilters: [compressor()] },
      client: [get(), { responses: 1 }, get(), { responses: 2 }],
      upstream: answer(),
    },
  ],
);
