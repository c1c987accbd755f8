// header_key_format: lower case, proper case, the peer's own case, on both sides (envoy-behaviour §2.1).
import { differential } from '../differential.ts';
import type { CaseConfig, Json } from '../row.ts';
import { answer, chunked, get, request } from '../texts.ts';

const UPSTREAM_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const proper: Json = { header_key_format: { proper_case_words: {} } };
const preserve = (more: Json = {}): Json => ({
  header_key_format: {
    stateful_formatter: {
      name: 'preserve_case',
      typed_config: {
        '@type':
          'type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig',
        ...more,
      },
    },
  },
});

const sides = (down: Json | undefined, up: Json | undefined): CaseConfig => ({
  ...(down === undefined
    ? {}
    : { hcm: { http_protocol_options: { ...down, enable_trailers: true } } }),
  clusters: {
    up: {
      typed_extension_protocol_options: {
        [UPSTREAM_OPTIONS]: {
          '@type': `type.googleapis.com/${UPSTREAM_OPTIONS}`,
          explicit_http_config: { http_protocol_options: { ...up, enable_trailers: true } },
        },
      },
    },
  },
});

const ODD = request('GET / HTTP/1.1', [
  'X-FoO-bAr: 1',
  'x-foo-BAR: 2',
  'ACCEPT: a',
  'x_under_score: 1',
  'x.dot.ted: 1',
  'x1a2b: 1',
  'x--a: 1',
]).replace('host:', 'HoSt:');
const ODD_ANSWER = answer(
  '200 Very Good',
  ['CONTENT-length: 2', 'X-OdD: 1', 'Set-COOKIE: a=b', 'DATE: Thu, 01 Jan 1970 00:00:00 GMT'],
  'ok',
);
const CHUNKED_ANSWER = answer(
  '200 Fine',
  ['Transfer-ENCODING: chunked', 'X-OdD: 1'],
  '2\r\nok\r\n0\r\nX-TaIl: 1\r\n\r\n',
);
const exchange = { client: ODD, upstream: ODD_ANSWER };

export const suite = await differential(import.meta.url, {}, [
  { name: 'names are lower case by default', ...exchange },
  { name: 'proper case towards the client', config: sides(proper, undefined), ...exchange },
  { name: 'proper case towards the server', config: sides(undefined, proper), ...exchange },
  { name: 'proper case towards both', config: sides(proper, proper), ...exchange },
  { name: 'the case of the request is kept', config: sides(preserve(), undefined), ...exchange },
  { name: 'the case of the answer is kept', config: sides(undefined, preserve()), ...exchange },
  { name: 'the case of both is kept', config: sides(preserve(), preserve()), ...exchange },
  {
    name: 'the reason phrase is kept where asked',
    config: sides(undefined, preserve({ forward_reason_phrase: true })),
    ...exchange,
  },
  {
    name: 'an empty reason phrase is kept where asked',
    config: sides(undefined, preserve({ forward_reason_phrase: true })),
    client: get(),
    upstream: 'HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n',
  },
  {
    name: 'no reason phrase is kept where asked',
    config: sides(undefined, preserve({ forward_reason_phrase: true })),
    client: get(),
    upstream: 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n',
  },
  {
    name: 'other names in proper case, of the request',
    config: sides(preserve({ formatter_type_on_envoy_headers: 'PROPER_CASE' }), undefined),
    ...exchange,
  },
  {
    name: 'other names in proper case, of the answer',
    config: sides(undefined, preserve({ formatter_type_on_envoy_headers: 'PROPER_CASE' })),
    ...exchange,
  },
  {
    name: 'the kept case of a request wins over proper case',
    config: sides(preserve(), proper),
    ...exchange,
  },
  {
    name: 'the kept case of an answer wins over proper case',
    config: sides(proper, preserve()),
    ...exchange,
  },
  {
    name: 'chunked and trailers in proper case',
    config: sides(proper, proper),
    client: chunked('2\r\nab\r\n0\r\nX-TaIl: 1\r\n\r\n'),
    upstream: CHUNKED_ANSWER,
  },
  {
    name: 'chunked and trailers in kept case',
    config: sides(preserve(), preserve()),
    client: chunked('2\r\nab\r\n0\r\nX-TaIl: 1\r\n\r\n').replace(
      'transfer-encoding',
      'Transfer-ENCODING',
    ),
    upstream: CHUNKED_ANSWER,
  },
  {
    name: 'a local reply in proper case',
    config: { ...sides(proper, undefined), route: { cluster: 'nonesuch' } },
    client: get(),
  },
  {
    name: 'a local reply with kept case',
    config: { ...sides(preserve(), undefined), route: { cluster: 'nonesuch' } },
    client: get(),
  },
  {
    name: 'a refusal in proper case',
    config: sides(proper, undefined),
    client: get('/', 'nonsense'),
  },
  {
    name: 'interim answers in proper case',
    config: {
      ...sides(proper, undefined),
      hcm: { http_protocol_options: proper, proxy_100_continue: true },
    },
    client: [
      request('POST / HTTP/1.1', ['expect: 100-continue', 'content-length: 2'], 'ab'),
      { responses: 1 },
    ],
    upstream: `HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n${ODD_ANSWER}`,
  },
  {
    name: 'headers added by the route in kept case',
    config: {
      ...sides(preserve(), preserve()),
      routeMore: {
        request_headers_to_add: [{ header: { key: 'X-Added', value: '1' } }],
        response_headers_to_add: [{ header: { key: 'X-Added', value: '1' } }],
      },
    },
    ...exchange,
  },
  {
    name: 'headers removed by the route in any case',
    config: {
      ...sides(preserve(), preserve()),
      routeMore: {
        request_headers_to_remove: ['x-foo-bar'],
        response_headers_to_remove: ['x-odd'],
      },
    },
    ...exchange,
  },
  {
    name: 'a kept case after a retry',
    config: {
      ...sides(preserve(), preserve()),
      route: { retry_policy: { retry_on: '5xx', retry_back_off: { base_interval: '0.001s' } } },
    },
    client: ODD,
    upstream: { answers: [answer('503 No', ['content-length: 0']), ODD_ANSWER] },
  },
  {
    name: 'an upgrade in kept case',
    config: {
      ...sides(preserve(), preserve()),
      hcm: { http_protocol_options: preserve(), upgrade_configs: [{ upgrade_type: 'websocket' }] },
    },
    client: get('/', 'Connection: Upgrade', 'Upgrade: WebSocket'),
    upstream: [
      answer('101 Switching', [
        'Connection: Upgrade',
        'Upgrade: WebSocket',
        'Sec-WebSocket-Accept: x',
      ]),
      { tunnel: true },
    ],
  },
]);
