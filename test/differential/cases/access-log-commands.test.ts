// What each %COMMAND% prints, in text (envoy-behaviour §11.1): many in one line.
import { differential } from '../differential.ts';
import type { Row } from '../row.ts';

const get = (target: string, ...lines: readonly string[]): string =>
  `GET ${target} HTTP/1.1\r\nHost: shop.example:8080\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const post = (body: string, ...lines: readonly string[]): string =>
  `POST /post HTTP/1.1\r\nHost: h\r\ncontent-length: ${body.length}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n${body}`;

/** `REQ(x)=[%REQ(x)%]`, one after the other; what names a command does not matter, so it is its place. */
const each = (...commands: readonly string[]): string =>
  commands.map((command, index) => `${index}[%${command}%]`).join(' ');

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-up: a\r\nempty: \r\n\r\nhello';
const CHUNKED =
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-up: b\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n';
const NO_CONTENT = 'HTTP/1.1 204 No Content\r\n\r\n';

const WIRE = each(
  'BYTES_RECEIVED',
  'BYTES_SENT',
  'DOWNSTREAM_WIRE_BYTES_RECEIVED',
  'DOWNSTREAM_HEADER_BYTES_RECEIVED',
  'DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED',
  'UPSTREAM_WIRE_BYTES_SENT',
  'UPSTREAM_WIRE_BYTES_RECEIVED',
  'UPSTREAM_HEADER_BYTES_SENT',
  'UPSTREAM_HEADER_BYTES_RECEIVED',
  'UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT',
  'REQUEST_HEADERS_BYTES',
  'RESPONSE_TRAILERS_BYTES',
  'BYTES_RETRANSMITTED',
  'PACKETS_RETRANSMITTED',
);
/** With what varies: service time and date are of one length, but for odd moments. */
const SENT = `${each('DOWNSTREAM_WIRE_BYTES_SENT', 'DOWNSTREAM_HEADER_BYTES_SENT', 'RESPONSE_HEADERS_BYTES')}`;
const NO_ENVOY_HEADERS = {
  hcm: {
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
          suppress_envoy_headers: true,
        },
      },
    ],
  },
};

/** Names of a stream that ended well, and of one that never had an upstream. */
const NAMES = each(
  'PROTOCOL',
  'UPSTREAM_PROTOCOL',
  'RESPONSE_CODE',
  'RESPONSE_CODE_DETAILS',
  'RESPONSE_FLAGS',
  'RESPONSE_FLAGS_LONG',
  'CUSTOM_FLAGS',
  'LOCAL_REPLY_BODY',
  'CONNECTION_TERMINATION_DETAILS',
  'ROUTE_NAME',
  'VIRTUAL_CLUSTER_NAME',
  'UPSTREAM_CLUSTER',
  'UPSTREAM_CLUSTER_RAW',
  'UPSTREAM_REQUEST_ATTEMPT_COUNT',
  'UPSTREAM_TRANSPORT_FAILURE_REASON',
  'DOWNSTREAM_TRANSPORT_FAILURE_REASON',
  'REQUESTED_SERVER_NAME',
  'REQUESTED_SERVER_NAME(HOST_FIRST)',
  'REQUESTED_SERVER_NAME(SNI_FIRST:HOST)',
  'REQUESTED_SERVER_NAME(HOST_FIRST:ORIG)',
  'FILTER_CHAIN_NAME',
  'LISTENER_NAME',
  'STREAM_ID',
  'TRACE_ID',
  'SPAN_ID',
  'GRPC_STATUS',
  'GRPC_STATUS_NUMBER',
  'ACCESS_LOG_TYPE',
  'DOWNSTREAM_DETECTED_CLOSE_TYPE',
  'DOWNSTREAM_LOCAL_CLOSE_REASON',
  'UPSTREAM_DETECTED_CLOSE_TYPE',
  'UPSTREAM_LOCAL_CLOSE_REASON',
  'UPSTREAM_SERVER_NAME',
  'ROUTE_RESOLUTION_COUNT',
);

const ADDRESSES = each(
  'UPSTREAM_HOST',
  'UPSTREAM_HOST_NAME',
  'UPSTREAM_HOST_NAME_WITHOUT_PORT',
  'UPSTREAM_HOSTS_ATTEMPTED',
  'UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT',
  'UPSTREAM_HOST_NAMES_ATTEMPTED',
  'UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT',
  'UPSTREAM_LOCAL_ADDRESS',
  'UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT',
  'UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(16)',
  'UPSTREAM_REMOTE_ADDRESS',
  'UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT',
  'UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID',
  'DOWNSTREAM_LOCAL_ADDRESS',
  'DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT',
  'DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID',
  'DOWNSTREAM_DIRECT_LOCAL_ADDRESS',
  'DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT',
  'DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID',
  'DOWNSTREAM_REMOTE_ADDRESS',
  'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT',
  'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(24)',
  'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(9)',
  'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(0)',
  'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(33)',
  'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(x)',
  'DOWNSTREAM_DIRECT_REMOTE_ADDRESS',
  'DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT',
);
const PORTS: readonly (readonly [RegExp, string])[] = [[/\[[0-9]{4,5}\]/g, '[PORT]']];
const PORT_COMMANDS = each(
  'UPSTREAM_LOCAL_PORT',
  'UPSTREAM_REMOTE_PORT',
  'DOWNSTREAM_LOCAL_PORT',
  'DOWNSTREAM_DIRECT_LOCAL_PORT',
  'DOWNSTREAM_REMOTE_PORT',
  'DOWNSTREAM_DIRECT_REMOTE_PORT',
);

/** Which of them are there: numbers vary. */
const TIMES: readonly (readonly [RegExp, string])[] = [[/\[[0-9]+\]/g, '[N]']];
const DURATIONS = each(
  'DURATION',
  'REQUEST_DURATION',
  'REQUEST_TX_DURATION',
  'RESPONSE_DURATION',
  'RESPONSE_TX_DURATION',
  'ROUNDTRIP_DURATION',
  'DOWNSTREAM_HANDSHAKE_DURATION',
  'UPSTREAM_CONNECTION_POOL_READY_DURATION',
  'COMMON_DURATION(DS_RX_BEG:DS_RX_END)',
  'COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)',
  'COMMON_DURATION(DS_TX_BEG:DS_TX_END:ns)',
  'COMMON_DURATION(US_CX_BEG:US_CX_END:us)',
  'COMMON_DURATION(US_HS_BEG:US_HS_END)',
  'COMMON_DURATION(US_TX_BEG:US_TX_END)',
  'COMMON_DURATION(US_RX_BEG:US_RX_END)',
  'COMMON_DURATION(US_RX_END:US_CX_BEG)',
  'COMMON_DURATION(DS_RX_BEG:mine)',
);

const TLS = each(
  ...['DOWNSTREAM', 'UPSTREAM'].flatMap((side) =>
    [
      'TLS_VERSION',
      'TLS_CIPHER',
      'TLS_GROUP',
      'TLS_SESSION_ID',
      'PEER_SUBJECT',
      'PEER_ISSUER',
      'PEER_CERT',
      'PEER_CERT_V_START',
      'PEER_CERT_V_END(%Y)',
      'PEER_URI_SAN',
      'PEER_DNS_SAN',
      'PEER_IP_SAN',
      'LOCAL_URI_SAN',
      'LOCAL_DNS_SAN',
      'LOCAL_IP_SAN',
    ].map((name) => `${side}_${name}`),
  ),
  'DOWNSTREAM_LOCAL_SUBJECT',
  'DOWNSTREAM_LOCAL_EMAIL_SAN',
  'DOWNSTREAM_PEER_OTHERNAME_SAN',
  'DOWNSTREAM_PEER_FINGERPRINT_256',
  'DOWNSTREAM_PEER_FINGERPRINT_1',
  'DOWNSTREAM_PEER_SERIAL',
  'DOWNSTREAM_PEER_CHAIN_SERIALS',
  'DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256',
  'DOWNSTREAM_PEER_ISSUER_SERIAL',
  'TLS_JA3_FINGERPRINT',
  'TLS_JA4_FINGERPRINT',
);

const REFUSES = { refuses: true } as const;
const RETRIES = { route: { timeout: '0s', retry_policy: { retry_on: '5xx', num_retries: 2 } } };
const FAILS = 'HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n';
/** Host names and alt_stat_name. */
const NAMED = {
  clusters: {
    up: { alt_stat_name: 'CASE:alternative' },
  },
};

const shapes: readonly Row[] = [
  ['a GET that is answered', { client: get('/'), upstream: OK }],
  ['a POST that is answered in chunks', { client: post('abc'), upstream: CHUNKED }],
  ['an answer without a body', { client: get('/'), upstream: NO_CONTENT }],
  ['a request that finds no route', { client: get('/'), config: { routes: [] } }],
  [
    'a direct response',
    {
      client: get('/'),
      config: {
        routes: [
          {
            name: 'direct',
            match: { prefix: '/' },
            direct_response: { status: 200, body: { inline_string: 'made here' } },
          },
        ],
      },
    },
  ],
  ['a cluster that is not there', { client: get('/'), config: { route: { cluster: 'nowhere' } } }],
  ['a host that refuses', { client: get('/'), upstream: REFUSES }],
  ['an upstream that closes at once', { client: get('/'), upstream: [{ close: true }] }],
  [
    'an upstream that takes too long',
    { client: get('/'), upstream: [], config: { route: { timeout: '0.1s' } } },
  ],
  [
    'a retry that succeeds',
    { client: get('/'), config: RETRIES, upstream: { answers: [FAILS, FAILS, OK] } },
  ],
  ['retries that all fail', { client: get('/'), config: RETRIES, upstream: FAILS }],
  [
    'a client that leaves',
    {
      client: [get('/'), { upstreamGets: 'GET' }, { close: true }, { upstreamEnds: true }],
      upstream: [],
    },
  ],
  ['a request that is no HTTP', { client: 'GET / HTTP/1.1\r\nho st: h\r\n\r\n' }],
].map(([name, row]) => ({ name, ...(row as object) }) as Row);

const over = (what: string, log: string, more: Partial<Row> = {}): readonly Row[] =>
  shapes.map((row) => ({ ...row, ...more, name: `${what} of ${row.name}`, log }));

export const suite = await differential(import.meta.url, { config: NAMED }, [
  ...over('names', NAMES),
  ...over('bytes', WIRE),
  ...over('addresses', ADDRESSES),
  ...over('ports', PORT_COMMANDS, { mask: PORTS }),
  ...over('durations', DURATIONS, { mask: TIMES }),
  {
    name: 'received header bytes of retries, decompressed',
    client: get('/'),
    config: RETRIES,
    upstream: FAILS,
    log: '%UPSTREAM_HEADER_BYTES_RECEIVED% %UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED%',
    differs: {
      where: ['log'],
      envoy: 'adds what was counted so far once more for each attempt (54 become 108)',
      ours: 'the same number as the received header bytes',
      reason: 'HTTP/1 compresses nothing, so that the two are one number',
    },
  },
  {
    name: 'facts of TLS are missing on plain connections',
    client: get('/'),
    log: TLS,
  },
  {
    name: 'sent bytes of an answer without headers that vary',
    client: get('/'),
    upstream: OK,
    config: NO_ENVOY_HEADERS,
    log: SENT,
  },
  {
    name: 'sent bytes of a chunked answer',
    client: get('/'),
    upstream: CHUNKED,
    config: NO_ENVOY_HEADERS,
    log: SENT,
  },
  {
    name: 'received bytes of a chunked request with an extension and trailers',
    client:
      'POST / HTTP/1.1\r\nHost:  h \r\nX:  1  \r\ntransfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nt: 1\r\n\r\n',
    log: WIRE,
  },
  {
    name: 'headers: first line, alternative, empty value, length',
    client: get(
      '/p?q=1',
      'user-agent: agent/1',
      'empty:',
      'dup: 1',
      'dup: 2',
      'cookie: a=1',
      'cookie: b=2',
      'x-long: 0123456789',
    ),
    upstream: OK,
    log: each(
      'REQ(User-Agent)',
      'REQ(none?user-agent)',
      'REQ(user-agent?dup)',
      'REQ(empty)',
      'REQ(empty?dup)',
      'REQ(none?empty)',
      'REQ(dup)',
      'REQ(cookie)',
      'REQ(?dup)',
      'REQ(none?)',
      'REQ(x-long):4',
      'REQ(x-long):0',
      'REQ(x-long):99',
      'REQ(:METHOD)',
      'REQ(:PATH)',
      'REQ(:AUTHORITY)',
      'REQ(host)',
      'REQ(:scheme)',
      'REQ(x-request-id)',
      'REQUEST_HEADER(dup)',
      'STREAM_INFO_REQ(dup)',
      'RESP(:status)',
      'RESP(x-up)',
      'RESP(empty)',
      'RESP(none)',
      'RESPONSE_HEADER(x-up):9',
      'TRAILER(grpc-status)',
      'RESPONSE_TRAILER(x)',
    ),
  },
  {
    name: 'bytes that are no ASCII pass as they are',
    client: get('/', 'x: \u00e9 "quoted" \\ <tag>\tend'),
    log: each('REQ(x)', 'REQ(x):1', 'REQ(x):2'),
  },
  {
    name: 'trailers of the answer',
    client: get('/'),
    upstream:
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\ngrpc-status: 5\r\nx: y\r\n\r\n',
    config: {
      hcm: { http_protocol_options: { enable_trailers: true } },
      clusters: {
        up: {
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http_protocol_options: { enable_trailers: true } },
            },
          },
        },
      },
    },
    log: each(
      'TRAILER(grpc-status)',
      'TRAILER(none?X):1',
      'RESPONSE_TRAILERS_BYTES',
      'GRPC_STATUS',
    ),
  },
  {
    name: 'paths and queries',
    client: get('/a/b?x=1&y=%41%20b&z=&%7a=2&d&e=a+b&x=3', 'x-envoy-original-path: /orig?o=1'),
    log: each(
      'PATH',
      'PATH(WQ)',
      'PATH(NQ)',
      'PATH(NQ:PATH)',
      'PATH(WQ:ORIG)',
      'PATH(NQ:ORIG)',
      'PATH(NQ:ORIG_OR_PATH):3',
      'PATH:2',
      'QUERY_PARAM(x)',
      'QUERY_PARAM(y)',
      'QUERY_PARAM(y):1',
      'QUERY_PARAM(z)',
      'QUERY_PARAM(d)',
      'QUERY_PARAM(e)',
      'QUERY_PARAM(none)',
      'QUERY_PARAM(X)',
      'QUERY_PARAMS',
      'QUERY_PARAMS(ORIG):3',
      'QUERY_PARAMS(DECODED)',
    ),
  },
  {
    name: 'a path without a query',
    client: get('/plain'),
    log: each('PATH(NQ)', 'PATH(NQ:ORIG)', 'QUERY_PARAM(x)', 'QUERY_PARAMS'),
  },
  {
    name: 'an empty query, and escapes that stay',
    client: [
      get('/?'),
      { responses: 1 },
      get('/?%41=%42&%3c%3E%5c%5e%7b%7c%7d%7f%20%00%ff%22'),
      { responses: 2 },
      get('/?%zz%4&100%'),
      { responses: 3 },
    ],
    log: each('QUERY_PARAMS', 'QUERY_PARAMS(DECODED)', 'QUERY_PARAM(A)'),
  },
  {
    name: 'rewritten paths and hosts',
    client: get('/old/x?y=1'),
    config: {
      routes: [
        {
          match: { prefix: '/old' },
          route: { cluster: 'CASE-up', prefix_rewrite: '/new', host_rewrite_literal: 'inner' },
        },
      ],
    },
    log: each(
      'REQ(X-ENVOY-ORIGINAL-PATH?:PATH)',
      'REQ(:PATH)',
      'PATH(NQ:ORIG)',
      'PATH(WQ:PATH)',
      'REQ(:AUTHORITY)',
      'REQ(X-ENVOY-ORIGINAL-HOST)',
      'REQUESTED_SERVER_NAME(HOST_FIRST:ORIG_OR_HOST)',
      'REQUESTED_SERVER_NAME(HOST_FIRST:ORIG)',
    ),
  },
  {
    name: 'XFCC values',
    client: [
      get(
        '/',
        String.raw`x-forwarded-client-cert: By=spiffe://a/b;Hash=abc;Subject="CN=x,O=\"y;z\"";URI=u1;URI=u2;DNS=d, By=spiffe://c;Hash=def;Chain=late`,
      ),
      { responses: 1 },
      get('/', 'x-forwarded-client-cert: Hash=;URI="q,1";subject=a=b'),
      { responses: 2 },
    ],
    config: { hcm: { forward_client_cert_details: 'ALWAYS_FORWARD_ONLY' } },
    log: each(
      'XFCC_VALUE(uri)',
      'XFCC_VALUE(URI)',
      'XFCC_VALUE(hash)',
      'XFCC_VALUE(By)',
      'XFCC_VALUE(subject)',
      'XFCC_VALUE(dns)',
      'XFCC_VALUE(chain)',
    ),
  },
  {
    name: 'the first that is there',
    client: get('/', 'user-agent: agent/1'),
    log: each(
      'COALESCE({"operators":["REQUESTED_SERVER_NAME",{"command":"REQ","param":"user-agent"}]})',
      'COALESCE({"operators":["REQUESTED_SERVER_NAME",{"command":"REQ","param":"user-agent","max_length":3}]}):2',
      'COALESCE({"operators":["REQUESTED_SERVER_NAME","ROUTE_NAME"]})',
      'COALESCE({"operators":["RESPONSE_CODE","PROTOCOL"]})',
    ),
  },
  {
    name: 'times in many forms',
    mask: [[/\d{4}-\d\d-\d\dT[\d:.]+Z/, 'TIME']],
    client: get('/'),
    log:
      '%START_TIME(%Y|%y|%C|%m|%d|%e|%b|%B|%a|%A|%j|%u|%w|%U|%V|%W|%G|%g|%D|%F|%x|%h)% ' +
      '%START_TIME(%p|%P|%z|%Z|%%|%t|%Q|%E|%ET|%Ez|%E4Y)% [%START_TIME()%] %START_TIME(%Y-%m)% %START_TIME(plain)%',
  },
  {
    name: 'the details of a reply keep their spaces where asked',
    client: get('/'),
    upstream: REFUSES,
    log: each(
      'RESPONSE_CODE_DETAILS',
      'RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)',
      'RESPONSE_CODE_DETAILS(x)',
    ),
  },
  {
    name: 'percent signs, and variables that are not set',
    client: get('/'),
    log: '100%% %ENVIRONMENT(NOT_SET_ANYWHERE)% %ENVIRONMENT(NOT_SET_ANYWHERE):1%%%',
  },
]);
