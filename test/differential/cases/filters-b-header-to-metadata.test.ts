// header_to_metadata: what headers and cookies leave in dynamic metadata, as the access log prints it.
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import type { Json, Row } from '../row.ts';

const NAME = 'envoy.filters.http.header_to_metadata';
const TYPE = 'filters.http.header_to_metadata.v3.Config';

const filter = (config: Json): Json => filterOf(NAME, TYPE, config);
const request = (lines: readonly string[] = [], path = '/'): string =>
  `GET ${path} HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;

const present = (changes: Json = {}): Json => ({ on_header_present: { key: 'k', ...changes } });
const missing: Json = { on_header_missing: { key: 'm', value: 'none' } };
const ofHeader = (changes: Json = {}, more: Json = {}): Json => ({
  request_rules: [{ header: 'x-a', ...present(changes), ...more }],
});
const ofCookie: Json = { request_rules: [{ cookie: 'c', ...present(), ...missing }] };
const rewrite = (regex: string, substitution: string): Json => ({
  regex_value_rewrite: { pattern: { regex }, substitution },
});
const protobuf = ofHeader({ type: 'PROTOBUF_VALUE', encode: 'BASE64' });
const base64 = (...bytes: number[]): string => Buffer.from(bytes).toString('base64');

const requests: readonly (readonly [
  name: string,
  config: Json,
  lines: readonly string[],
  path?: string,
])[] = [
  ['the value of a header', ofHeader(), ['x-a: v']],
  ['the lines of a header joined', ofHeader(), ['x-a: v', 'x-a: w']],
  ['nothing for an empty header', ofHeader({}, missing), ['x-a:']],
  ['a fixed value for an empty header', ofHeader({ value: 'f' }), ['x-a:']],
  ['what stands in for a missing header', ofHeader({}, missing), []],
  [
    'a header that is removed, and then is missing',
    {
      request_rules: [
        { header: 'x-a', ...present(), remove: true },
        { header: 'x-a', ...missing },
      ],
    },
    ['x-a: v', 'x-a: w'],
  ],
  [
    'the later of two rules for a key',
    {
      request_rules: [
        { header: 'x-a', ...present() },
        { header: 'x-b', ...present() },
      ],
    },
    ['x-a: v', 'x-b: w'],
  ],
  [
    'pseudo headers',
    {
      request_rules: [':method', ':path', ':authority', ':scheme', 'host'].map((header) => ({
        header,
        on_header_present: { key: header },
      })),
    },
    [],
  ],
  ['a quoted cookie', ofCookie, ['cookie: a=b; c="d e"; c=2']],
  ['a cookie of the second line', ofCookie, ['cookie: a=b', 'cookie: c=d']],
  ['an empty cookie as a missing one', ofCookie, ['cookie: c=']],
  [
    'a rewritten path',
    {
      request_rules: [
        { header: ':path', ...present(rewrite('^/(cluster[\\d\\w-]+)/?.*$', '\\1')) },
      ],
    },
    [],
    '/cluster-prod-001/x',
  ],
  ['nothing where a rewrite leaves nothing', ofHeader(rewrite('.*', '')), ['x-a: v']],
  ['numbers, the large ones in full', ofHeader({ type: 'NUMBER' }), ['x-a: 12345678901234567890']],
  ['short exponents', ofHeader({ type: 'NUMBER' }), ['x-a: 1e5']],
  ['hexadecimal numbers', ofHeader({ type: 'NUMBER' }), ['x-a: -0x1.8p1']],
  ['infinity', ofHeader({ type: 'NUMBER' }), ['x-a: -1e999']],
  ['nothing for what is no number', ofHeader({ type: 'NUMBER' }), ['x-a: 12abc']],
  ['Base64 without padding', ofHeader({ encode: 'BASE64' }), ['x-a: aGVsbG8']],
  ['nothing for Base64 with bits left over', ofHeader({ encode: 'BASE64' }), ['x-a: aGVsbG9=']],
  ['bytes that are no UTF-8', ofHeader({ encode: 'BASE64' }), ['x-a: /w==']],
  ['UTF-8 in a header', ofHeader(), ['x-a: \u00c3\u00a9']],
  [
    'a struct',
    protobuf,
    [`x-a: ${base64(0x2a, 10, 0x0a, 8, 0x0a, 1, 0x61, 0x12, 3, 0x1a, 1, 0x62)}`],
  ],
  ['a list', protobuf, [`x-a: ${base64(0x32, 6, 0x0a, 2, 0x20, 1, 0x0a, 0)}`]],
  ['nothing for cut protobuf', protobuf, [`x-a: ${base64(0x1a, 5, 0x68)}`]],
  ['a namespace of its own', ofHeader({ metadata_namespace: 'nn' }), ['x-a: v']],
];

const rows: readonly Row[] = requests.map(([name, config, lines, path]) => ({
  name: `request rules give ${name}`,
  config: { httpFilters: [filter(config)] },
  client: request(lines, path),
}));

const answer = 'HTTP/1.1 200 OK\r\nx-r: rv\r\ncontent-length: 0\r\n\r\n';
const stats: Json = {
  stat_prefix: 'CASE',
  request_rules: [
    { header: 'x-a', ...present({ encode: 'BASE64' }) },
    { header: 'x-b', ...present(rewrite('.*', '')) },
    { header: 'x-d', ...missing },
    { header: 'x-e', ...present() },
  ],
  response_rules: [
    { header: 'x-r', ...present() },
    { header: 'x-no', ...present() },
  ],
};

export const suite = await differential(
  import.meta.url,
  { log: `%DYNAMIC_METADATA(${NAME})% %DYNAMIC_METADATA(nn:k)% %RESPONSE_CODE%` },
  [
    ...rows,
    {
      name: 'response rules read and remove headers of the response',
      config: {
        httpFilters: [
          filter({
            response_rules: [
              { header: 'x-r', ...present(), remove: true },
              { header: ':status', on_header_present: { key: 's', type: 'NUMBER' } },
            ],
          }),
        ],
      },
      upstream: answer,
      client: request(),
      expect: { log: /\{"k":"rv","s":200\}/ },
    },
    {
      name: 'response rules see local replies',
      config: {
        httpFilters: [filter({ response_rules: [{ header: ':status', ...present() }] })],
        routes: [{ match: { prefix: '/' }, direct_response: { status: 404 } }],
      },
      client: request(),
    },
    {
      name: 'the settings of a route replace those of the filter',
      config: {
        httpFilters: [filter(ofHeader())],
        routeMore: {
          typed_per_filter_config: {
            [NAME]: {
              '@type': `type.googleapis.com/envoy.extensions.${TYPE}`,
              response_rules: [{ header: 'x-r', ...present() }],
            },
          },
        },
      },
      upstream: answer,
      client: request(['x-a: v']),
    },
    {
      name: 'rules are counted where a stat prefix is given',
      config: { httpFilters: [filter(stats)] },
      upstream: answer,
      client: request(['x-a: **', 'x-b: v']),
      stats: ['http_filter_name.CASE.*'],
    },
    {
      name: 'a later header operation prints what the filter found',
      config: {
        httpFilters: [filter(ofHeader())],
        routeMore: {
          request_headers_to_add: [
            { header: { key: 'x-found', value: `%DYNAMIC_METADATA(${NAME}:k)%` } },
          ],
        },
      },
      client: request(['x-a: v']),
      expect: { upstream: /x-found: v/ },
    },
  ],
);
