// Headers the connection manager takes, sets and keeps: hop by hop, Referer, Via, Server, request ids
// (envoy-behaviour §1.3, §1.7, §1.8).
import { differential } from '../differential.ts';
import type { Json, Row } from '../row.ts';

const get = (...lines: readonly string[]): string =>
  `GET / HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const answer = (...lines: readonly string[]): string =>
  `HTTP/1.1 200 OK\r\n${lines.map((line) => `${line}\r\n`).join('')}content-length: 0\r\n\r\n`;
const row = (name: string, hcm: Json, ...lines: readonly string[]): Row => ({
  name,
  config: { hcm },
  client: get(...lines),
});

const hops: readonly Row[] = [
  row('te: trailers stays', {}, 'te: trailers, deflate'),
  row('another te goes', {}, 'te: deflate'),
  row('trailers with a weight are not trailers', {}, 'te: trailers;q=0.5'),
  row(
    'hop-by-hop fields of a request end here',
    {},
    'connection: keep-alive, x-a',
    'keep-alive: 3',
    'proxy-connection: keep-alive',
    'x-a: 1',
    'upgrade: foo',
    'proxy-authorization: p',
    'trailer: x',
    'te: trailers',
  ),
  {
    name: 'hop-by-hop fields of a response end here',
    client: get(),
    upstream: answer(
      'connection: keep-alive, x-a',
      'x-a: 1',
      'keep-alive: 5',
      'proxy-connection: keep-alive',
      'upgrade: h2c',
      'te: trailers',
      'trailer: x',
      'proxy-authenticate: Basic',
    ),
  },
];

const REFERERS = [
  'http://a/b?c',
  'http://u@a/b?c',
  'http://a/b#c',
  '/b',
  'foo',
  'foo#',
  'http://a',
  'ftp://a/',
  '/a#b',
  '',
  'http://a?b',
  'http://',
  'http://a b/',
  'http://a@b',
  'http://a:80/',
  'http://a:x/',
  'http://[::1]/',
  'http:/a',
  'a:b',
  '/@',
  '//a#b',
  'about:blank',
  'http://a/,http://b/',
  'http://a\\b',
  'http://a/?#',
  'h@ttp://a',
];

const referers: readonly Row[] = [
  ...REFERERS.map((value) => row(`Referer ${JSON.stringify(value)}`, {}, `referer: ${value}`)),
  row('two Referers are one list', {}, 'referer: http://a/', 'referer: http://b/'),
];

const names: readonly Row[] = [
  { ...row('via is added both ways', { via: 'me' }, 'via: you'), upstream: answer('via: up') },
  row('via where there was none', { via: 'me' }),
  {
    ...row('via of a reply of our own', { via: 'me' }),
    config: { hcm: { via: 'me' }, routes: [] },
  },
  {
    ...row('a server name stays where it may', {
      server_header_transformation: 'APPEND_IF_ABSENT',
      server_name: 'x',
    }),
    upstream: answer('server: up'),
  },
  row('and is added where none is', {
    server_header_transformation: 'APPEND_IF_ABSENT',
    server_name: 'x',
  }),
  {
    ...row('a server name passes through', { server_header_transformation: 'PASS_THROUGH' }),
    upstream: answer('server: up'),
  },
  row('nothing is added then', { server_header_transformation: 'PASS_THROUGH' }),
  {
    name: 'not even to a reply of our own',
    config: { hcm: { server_header_transformation: 'PASS_THROUGH' }, routes: [] },
    client: get(),
  },
  {
    ...row('a server name is overwritten in its place', { server_name: 'x' }),
    upstream: answer('server: up', 'a: b', 'server: up2'),
  },
  { name: 'a date of the upstream stays', client: get(), upstream: answer('date: x') },
  row('the user agent is added', { add_user_agent: true }),
  row(
    'one of the client stays',
    { add_user_agent: true },
    'user-agent: u',
    'x-envoy-downstream-service-cluster: z',
  ),
];

const ID = '6e9ddf5c-1b22-9dd1-a0b9-7c8c3a31c9bz';
const IDS = { generate_request_id: true };
const EDGE = { ...IDS, use_remote_address: true };
const KEEP = { preserve_external_request_id: true };
const RESPOND = { always_set_request_id_in_response: true };
const INTERNAL = {
  internal_address_config: { cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] },
};

const ids: readonly Row[] = [
  { ...row('a request gets an id', IDS), expect: { upstream: /x-request-id: / } },
  row('an id stays', IDS, 'x-request-id: abc'),
  row('an empty one does not', IDS, 'x-request-id:'),
  row('an edge proxy makes its own', EDGE, 'x-request-id: abc'),
  row('an edge proxy may keep it', { ...EDGE, ...KEEP }, 'x-request-id: abc'),
  row('but not the tracing decision in it', { ...EDGE, ...KEEP }, `x-request-id: ${ID}`),
  row(
    'unless ids carry none',
    {
      ...EDGE,
      ...KEEP,
      request_id_extension: {
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig',
          pack_trace_reason: false,
        },
      },
    },
    `x-request-id: ${ID}`,
  ),
  row('an inner proxy keeps the decision', { ...IDS, ...KEEP }, `x-request-id: ${ID}`),
  row('the response says the id', { ...IDS, ...RESPOND }, 'x-request-id: abc'),
  row('but not where there is none', RESPOND),
  {
    ...row('over one of the upstream', { ...IDS, ...RESPOND }, 'x-request-id: abc'),
    upstream: answer('x-request-id: up'),
  },
  {
    name: 'a reply of our own says it, too',
    config: { hcm: { ...IDS, ...RESPOND }, routes: [] },
    client: get('x-request-id: abc'),
  },
  row(
    'a forced trace of an internal request has its id in the response',
    { ...IDS, ...INTERNAL },
    'x-forwarded-for: 10.0.0.1',
    'x-request-id: abc',
    'x-envoy-force-trace: 1',
  ),
  row('not of an external one', IDS, 'x-request-id: abc', 'x-envoy-force-trace: 1'),
];

const CERTIFICATE = 'x-forwarded-client-cert: By=a;Hash=b;URI=c';
const certificates: readonly Row[] = [
  {
    ...row('a client certificate that was not shown is not forwarded', {}, CERTIFICATE),
    expect: { upstream: /^(?![^]*x-forwarded-client-cert)/ },
  },
  ...['FORWARD_ONLY', 'APPEND_FORWARD', 'SANITIZE_SET', 'ALWAYS_FORWARD_ONLY'].map((details) =>
    row(
      `${details} on a plain connection`,
      { forward_client_cert_details: details, set_current_client_cert_details: { uri: true } },
      CERTIFICATE,
    ),
  ),
];

export const suite = await differential(import.meta.url, {}, [
  ...hops,
  ...referers,
  ...names,
  ...ids,
  ...certificates,
]);
