// Who the client is: X-Forwarded-For, -Proto, -Port, internal and external requests (envoy-behaviour §1.3, §1.4).
import { differential } from '../differential.ts';
import type { Json, Row } from '../row.ts';

const get = (...lines: readonly string[]): string =>
  `GET / HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;

const EDGE = { use_remote_address: true };
const INTERNAL = {
  internal_address_config: {
    cidr_ranges: [
      { address_prefix: '10.0.0.0', prefix_len: 8 },
      { address_prefix: '127.0.0.0', prefix_len: 8 },
      { address_prefix: '::1', prefix_len: 128 },
    ],
  },
};
const THREE = 'x-forwarded-for: 1.2.3.4, 10.0.0.5,5.6.7.8';
const RETRY = 'x-envoy-retry-on: 5xx';

const row = (name: string, hcm: Json, ...lines: readonly string[]): Row => ({
  name,
  config: { hcm },
  client: get(...lines),
});

const edge: readonly Row[] = [
  {
    ...row('an edge proxy appends its peer and says who is outside', EDGE),
    expect: { upstream: /x-envoy-external-address: 127\.0\.0\.1/ },
  },
  row('an edge proxy trusts no list of addresses', EDGE, THREE),
  row('an edge proxy may leave the list alone', { ...EDGE, skip_xff_append: true }, THREE),
  row(
    'one trusted hop: the last address of the list is the client',
    { ...EDGE, xff_num_trusted_hops: 1 },
    THREE,
  ),
  row('two trusted hops: the last but one', { ...EDGE, xff_num_trusted_hops: 2 }, THREE),
  row('more trusted hops than addresses: the peer', { ...EDGE, xff_num_trusted_hops: 5 }, THREE),
  row(
    'spaces around addresses do not count',
    { ...EDGE, xff_num_trusted_hops: 1 },
    'x-forwarded-for: 1.1.1.1 ,  2.2.2.2  ',
  ),
  row(
    'with trusted hops x-forwarded-proto is kept',
    { ...EDGE, xff_num_trusted_hops: 1 },
    'x-forwarded-proto: https',
  ),
  row('without trusted hops it is not', EDGE, 'x-forwarded-proto: https'),
];

const inside: readonly Row[] = [
  row('behind a proxy the last address of the list is the client', {}, THREE),
  row('one more hop, one more to the left', { xff_num_trusted_hops: 1 }, THREE),
  row('the first address, with as many hops', { xff_num_trusted_hops: 2 }, THREE),
  row('hops beyond the list: the peer', { xff_num_trusted_hops: 3 }, THREE),
  row(
    'a single internal address makes an internal request',
    INTERNAL,
    'x-forwarded-for: 10.1.1.1',
    RETRY,
  ),
  row('an internal IPv6 address does, too', INTERNAL, 'x-forwarded-for: ::1', RETRY),
  row('an IPv6 address in brackets is none', INTERNAL, 'x-forwarded-for: [::1]', RETRY),
  row('an address with a port is none', INTERNAL, 'x-forwarded-for: 10.1.1.1:80', RETRY),
  row('two internal addresses are external', INTERNAL, 'x-forwarded-for: 10.1.1.1,10.1.1.2', RETRY),
  row('two lines are one list', INTERNAL, 'x-forwarded-for: 10.0.0.1', 'x-forwarded-for: 10.0.0.2'),
  row('no list at all is external', INTERNAL, RETRY),
  row('an empty list is external', INTERNAL, 'x-forwarded-for:', RETRY),
  row('a list of no address is external', INTERNAL, 'x-forwarded-for: foo', RETRY),
  row(
    'a trusted hop is never internal',
    { ...INTERNAL, xff_num_trusted_hops: 1 },
    'x-forwarded-for: 10.0.0.1',
    RETRY,
  ),
  row('an internal peer of an edge proxy is internal', { ...EDGE, ...INTERNAL }, RETRY),
  row('but not with a list', { ...EDGE, ...INTERNAL }, 'x-forwarded-for: 10.0.0.1', RETRY),
  row(
    'nor with a trusted hop',
    { ...EDGE, ...INTERNAL, xff_num_trusted_hops: 1 },
    'x-forwarded-for: 10.0.0.1',
    RETRY,
  ),
];

const CONTROL = [
  'x-envoy-internal: true',
  'x-envoy-decorator-operation: a',
  'x-envoy-downstream-service-cluster: b',
  'x-envoy-downstream-service-node: c',
  'x-envoy-original-path: /d',
  'x-envoy-original-host: e',
  'x-envoy-external-address: 9.9.9.9',
  'x-envoy-force-trace: 1',
  'x-envoy-ip-tags: a',
  'x-envoy-original-url: u',
  'x-envoy-hedge-on-per-try-timeout: true',
  'x-envoy-upstream-stream-duration-ms: 30000',
  'x-envoy-attempt-count: 8',
  'x-envoy-expected-rq-timeout-ms: 70000',
  'x-envoy-upstream-alt-stat-name: 7',
  'x-envoy-max-retries: 2',
  'x-client-trace-id: z',
];

const stripped: readonly Row[] = [
  row('control headers of an external request end here', {}, ...CONTROL),
  row('an edge proxy takes away even more', EDGE, ...CONTROL),
  row('an internal request keeps them', INTERNAL, 'x-forwarded-for: 10.0.0.1', ...CONTROL),
  {
    name: 'headers named internal_only are taken from external requests',
    config: { routeConfig: { internal_only_headers: ['x-secret'] } },
    client: get('x-secret: 1', 'x-other: 2'),
  },
  {
    name: 'and left with internal ones',
    config: { hcm: INTERNAL, routeConfig: { internal_only_headers: ['x-secret'] } },
    client: get('x-forwarded-for: 10.0.0.1', 'x-secret: 1'),
  },
];

const scheme: readonly Row[] = [
  row('x-forwarded-proto of a client is kept', {}, 'x-forwarded-proto: https'),
  row('in any case of letters', {}, 'x-forwarded-proto: HTTPS'),
  row('and whatever it says', {}, 'x-forwarded-proto: ftp'),
  row('two of them are one', {}, 'x-forwarded-proto: https', 'x-forwarded-proto: http'),
  row(
    'a configured scheme wins',
    { scheme_header_transformation: { scheme_to_overwrite: 'https' } },
    'x-forwarded-proto: http',
  ),
  row('a configured scheme and a port', {
    ...EDGE,
    append_x_forwarded_port: true,
    scheme_header_transformation: { scheme_to_overwrite: 'https' },
  }),
  row('the port is added', { append_x_forwarded_port: true }),
  row('a port of the client is kept', { append_x_forwarded_port: true }, 'x-forwarded-port: 77'),
  row(
    'an edge proxy sets its own',
    { ...EDGE, append_x_forwarded_port: true },
    'x-forwarded-port: 77',
  ),
  row(
    'with trusted hops it is kept',
    { ...EDGE, xff_num_trusted_hops: 2, append_x_forwarded_port: true },
    'x-forwarded-port: 77',
  ),
  row('or added', { ...EDGE, xff_num_trusted_hops: 2, append_x_forwarded_port: true }),
];

export const suite = await differential(
  import.meta.url,
  {
    log: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT% %REQ(:SCHEME)% %RESPONSE_CODE%',
    config: { hcm: { append_x_forwarded_port: false } },
  },
  [...edge, ...inside, ...stripped, ...scheme].map((one) => ({
    ...one,
    mask: [[/x-forwarded-port: \d{4,5}/g, 'x-forwarded-port: PORT']],
  })),
);
