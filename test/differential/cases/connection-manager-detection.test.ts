// original_ip_detection_extensions and early_header_mutation_extensions (envoy-behaviour §1.3, §1.4).
import { differential } from '../differential.ts';
import type { CaseConfig, Json, Row } from '../row.ts';

const get = (...lines: readonly string[]): string =>
  `GET / HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;

const TYPE = 'type.googleapis.com/envoy.extensions.http.';
const xff = (config: Json = {}): Json => ({
  name: 'xff',
  typed_config: { '@type': `${TYPE}original_ip_detection.xff.v3.XffConfig`, ...config },
});
const custom = (config: Json = {}): Json => ({
  name: 'custom',
  typed_config: {
    '@type': `${TYPE}original_ip_detection.custom_header.v3.CustomHeaderConfig`,
    header_name: 'X-IP',
    ...config,
  },
});
const detect = (...extensions: readonly Json[]): Json => ({
  original_ip_detection_extensions: extensions,
});
const ranges = (...prefixes: readonly string[]): Json => ({
  xff_trusted_cidrs: {
    cidrs: prefixes.map((address_prefix) => ({ address_prefix, prefix_len: 8 })),
  },
});
const mutate = (...mutations: readonly Json[]): CaseConfig => ({
  hcm: {
    early_header_mutation_extensions: [
      {
        name: 'early',
        typed_config: {
          '@type': `${TYPE}early_header_mutation.header_mutation.v3.HeaderMutation`,
          mutations,
        },
      },
    ],
  },
});
const append = (key: string, value: string, append_action = 'APPEND_IF_EXISTS_OR_ADD'): Json => ({
  append: { header: { key, value }, append_action },
});

const INTERNAL = {
  internal_address_config: { cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] },
};
const APPEND = { skip_xff_append: false };
const THREE = 'x-forwarded-for: 1.2.3.4, 10.0.0.5,5.6.7.8';
const RETRY = 'x-envoy-retry-on: 5xx';
const UNAUTHORIZED = { reject_with_status: { code: 'Unauthorized' } };
const many = (count: number): string =>
  `x-forwarded-for: 1.1.1.1,${Array.from({ length: count }, () => '5.1.1.1').join(',')}`;

const row = (name: string, hcm: Json, ...lines: readonly string[]): Row => ({
  name,
  config: { hcm },
  client: get(...lines),
});

const byList: readonly Row[] = [
  row('the last address', detect(xff()), THREE),
  row('the last but one', detect(xff({ xff_num_trusted_hops: 1 })), THREE),
  row('more hops than addresses', detect(xff({ xff_num_trusted_hops: 9 })), THREE),
  row('no list', detect(xff())),
  row('no list, and the peer is added', detect(xff(APPEND))),
  row('the peer is added', detect(xff(APPEND)), THREE),
  row(
    'also where the connection manager would not',
    { ...detect(xff(APPEND)), skip_xff_append: true },
    THREE,
  ),
  row(
    'a single internal address',
    { ...detect(xff()), ...INTERNAL },
    'x-forwarded-for: 10.1.1.1',
    RETRY,
  ),
  row(
    'that the peer is added to',
    { ...detect(xff(APPEND)), ...INTERNAL },
    'x-forwarded-for: 10.1.1.1',
    RETRY,
  ),
  row(
    'the first address beyond trusted proxies',
    detect(xff(ranges('127.0.0.0', '5.0.0.0'))),
    THREE,
  ),
  row(
    'the leftmost where all are trusted',
    detect(xff(ranges('127.0.0.0', '1.0.0.0', '5.0.0.0', '10.0.0.0'))),
    THREE,
  ),
  row('a peer that is no trusted proxy', detect(xff(ranges('9.0.0.0'))), THREE),
  row('a trusted peer and no list', detect(xff(ranges('127.0.0.0')))),
  row(
    'something else in the list',
    detect(xff(ranges('127.0.0.0', '5.0.0.0'))),
    'x-forwarded-for: 1.1.1.1, bad, 5.5.5.5',
  ),
  row(
    'nothing between two commas',
    detect(xff(ranges('127.0.0.0'))),
    'x-forwarded-for: 1.1.1.1,,127.0.0.2',
  ),
  row('twenty addresses are read', detect(xff(ranges('127.0.0.0', '5.0.0.0'))), many(19)),
  row('no more than that', detect(xff(ranges('127.0.0.0', '5.0.0.0'))), many(20)),
  row(
    'a single internal address behind trusted proxies',
    { ...detect(xff(ranges('127.0.0.0'))), ...INTERNAL },
    'x-forwarded-for: 10.1.1.1',
    RETRY,
  ),
  row(
    'one of two',
    { ...detect(xff(ranges('127.0.0.0', '5.0.0.0'))), ...INTERNAL },
    'x-forwarded-for: 10.1.1.1,5.1.1.1',
    RETRY,
  ),
];

const byHeader: readonly Row[] = [
  row('an address in a header of its own', detect(custom()), 'x-ip: 7.7.7.7', THREE),
  row('an IPv6 address', detect(custom()), 'x-ip: ::7'),
  row('no such header', detect(custom()), THREE),
  row('no address in it', detect(custom()), 'x-ip: zz'),
  row('an address with a port', detect(custom()), 'x-ip: 7.7.7.7:80'),
  row('two of them', detect(custom()), 'x-ip: 7.7.7.7', 'x-ip: 8.8.8.8'),
  {
    ...row('a request without it is refused', detect(custom(UNAUTHORIZED)), THREE),
    expect: { status: 401, log: /rejecting_because_detection_failed/ },
  },
  {
    name: 'and its connection stays',
    config: { hcm: detect(custom(UNAUTHORIZED)) },
    client: [get('x-ip: zz') + get('x-ip: 7.7.7.7'), { responses: 2 }],
  },
  row('a success cannot refuse: 403', detect(custom({ reject_with_status: { code: 'OK' } }))),
  row('400 ends the connection', detect(custom({ reject_with_status: { code: 'BadRequest' } }))),
  row(
    'its address may be internal',
    { ...detect(custom({ allow_extension_to_set_address_as_trusted: true })), ...INTERNAL },
    'x-ip: 10.1.1.1',
    RETRY,
  ),
  row('or may not be', { ...detect(custom()), ...INTERNAL }, 'x-ip: 10.1.1.1', RETRY),
];

const both: readonly Row[] = [
  row('the header, then the list', detect(custom(), xff()), THREE),
  row('the list, then the header', detect(xff(), custom()), 'x-ip: 7.7.7.7', THREE),
  row('who was asked in vain may add the peer', detect(xff(APPEND), custom()), 'x-ip: 7.7.7.7'),
  row(
    'who was not asked may not',
    detect(custom(), xff(APPEND)),
    'x-ip: 7.7.7.7',
    'x-forwarded-for: 1.1.1.1',
  ),
  row('a refusal is the end', detect(custom(UNAUTHORIZED), xff()), 'x-forwarded-for: 1.1.1.1'),
];

const early: readonly Row[] = [
  {
    name: 'a header is added first of all',
    config: mutate(append('x-a', 'b')),
    client: get('x-a: 1'),
  },
  {
    name: 'or replaced by a format',
    config: mutate(append('x-a', 'b%REQ(:path)%', 'OVERWRITE_IF_EXISTS_OR_ADD')),
    client: get('x-a: 1'),
  },
  { name: 'or not', config: mutate(append('x-a', 'b', 'ADD_IF_ABSENT')), client: get('x-a: 1') },
  { name: 'or taken away', config: mutate({ remove: 'x-a' }), client: get('x-a: 1', 'x-b: 2') },
  {
    name: 'the list of addresses may be made early',
    config: mutate(append('x-forwarded-for', '9.9.9.9', 'OVERWRITE_IF_EXISTS_OR_ADD')),
    client: get('x-forwarded-for: 1.1.1.1'),
  },
  {
    name: 'what is always taken away is taken away',
    config: mutate(
      append('x-envoy-internal', 'true'),
      append('upgrade', 'x'),
      append('te', 'trailers'),
    ),
    client: get(),
  },
];

export const suite = await differential(
  import.meta.url,
  {
    log: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS%',
    stats: ['http.CASE.downstream_rq_rejected_via_ip_detection'],
  },
  [...byList, ...byHeader, ...both, ...early],
);
