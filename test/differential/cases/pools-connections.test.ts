// Life of upstream connections: when they are made, used again and given up, and from where (envoy-behaviour §7.2).
import { differential } from '../differential.ts';
import type { CaseConfig, ClientStep, Json, Row } from '../row.ts';
import { answer, get, ok, post } from '../texts.ts';

const OPTIONS = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** HttpProtocolOptions of the cluster. */
const http = (common: Json, more: Json = {}): CaseConfig => ({
  clusters: {
    up: {
      typed_extension_protocol_options: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
          '@type': OPTIONS,
          common_http_protocol_options: common,
          explicit_http_config: { http_protocol_options: {} },
          ...more,
        },
      },
    },
  },
});

const up = (cluster: Json): CaseConfig => ({ clusters: { up: cluster } });

const times = (count: number, pauseMs = 0): readonly ClientStep[] =>
  Array.from({ length: count }, (_, i): ClientStep[] => [
    get(`/${i + 1}`),
    { responses: i + 1 },
    ...(pauseMs > 0 ? [{ pauseMs }] : []),
  ]).flat();

const row = (
  name: string,
  config: CaseConfig,
  client: readonly ClientStep[] = times(2),
  more: Partial<Row> = {},
): Row => ({
  name,
  config,
  client,
  ...more,
});

const endpoint = (port: string, more: readonly string[] = []): Json => ({
  load_assignment: {
    cluster_name: 'CASE-up',
    endpoints: [
      {
        lb_endpoints: [
          {
            endpoint: {
              address: at(port),
              additional_addresses: more.map((other) => ({ address: at(other) })),
            },
          },
        ],
      },
    ],
  },
});
const at = (port: string): Json => ({
  socket_address: { address: '127.0.0.1', port_value: `PORT(${port})` },
});

const bind = (bindConfig: Json): CaseConfig => up({ upstream_bind_config: bindConfig });
const from = (address: string, port = 0): Json => ({
  source_address: { address, port_value: port },
});
const LOCAL =
  '%RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %UPSTREAM_TRANSPORT_FAILURE_REASON%';

const NOT_DIALLED: Row['differs'] & object = {
  envoy: 'connects all the same and closes at once',
  ours: 'no connection is made',
  reason: 'what cannot be dialled as it is configured is not dialled',
  where: ['upstream'],
};

/** Which host is asked first is chance. */
const UNNOTED: Row['upstream'] & object = {
  serve: (socket) => socket.on('data', () => socket.write(ok())),
};

export const suite = await differential(
  import.meta.url,
  {
    stats: [
      'cluster.CASE-up.upstream_cx_*',
      'cluster.CASE-up.upstream_rq_*',
      'cluster.CASE-up.circuit_breakers*',
      'cluster.CASE-up.bind_errors',
    ],
  },
  [
    row('max_requests_per_connection 1', http({ max_requests_per_connection: 1 })),
    row('max_requests_per_connection 2', http({ max_requests_per_connection: 2 }), times(3)),
    row(
      'max_requests_per_connection of the cluster itself',
      up({ max_requests_per_connection: 1 }),
    ),
    row('idle_timeout closes a connection', http({ idle_timeout: '0.05s' }), times(2, 120)),
    row('idle_timeout 0 is none', http({ idle_timeout: '0s' }), times(2, 60)),
    row(
      'max_connection_duration ends an idle connection',
      http({ max_connection_duration: '0.05s' }),
      times(2, 120),
    ),
    row(
      'max_connection_duration lets a request end',
      http({ max_connection_duration: '0.05s' }),
      times(2),
      {
        upstream: { answers: [[{ pauseMs: 120 }, ok('1')], ok('2')] },
      },
    ),
    row('a refused connection fails the request', {}, times(1), { upstream: { refuses: true } }),
    row('a server that closes at once', {}, times(1), {
      upstream: { onConnect: [{ close: true }], answers: [[]] },
    }),
    row(
      'a request that is given up takes its connection along',
      {},
      [get(), { upstreamGets: 'GET' }, { close: true }],
      {
        upstream: [],
        log: '%RESPONSE_CODE% %RESPONSE_FLAGS%',
      },
    ),
    row('a server closes an idle connection', {}, times(2, 60), {
      upstream: { answers: [[ok(), { close: true }]] },
    }),
    row('a server resets an idle connection', {}, times(2, 60), {
      upstream: { answers: [[ok(), { reset: true }]] },
      uncut: 'a reset throws away what was not read before it',
    }),
    row(
      'preconnect: one connection ahead',
      up({ preconnect_policy: { per_upstream_preconnect_ratio: 2 } }),
      times(1),
      {
        mask: [[/^.*$/gs, 'X']],
      },
    ),
    row(
      'preconnect: half of one is none',
      up({ preconnect_policy: { per_upstream_preconnect_ratio: 1.5 } }),
      times(2),
    ),
    row(
      'preconnect: never more than three at once',
      up({ preconnect_policy: { per_upstream_preconnect_ratio: 3 } }),
      times(2),
    ),
    row(
      'preconnect: ahead for the next host',
      up({ preconnect_policy: { predictive_preconnect_ratio: 2 } }),
      [get(), { responses: 1 }, { pauseMs: 60 }],
      { upstreams: { up: UNNOTED, 'up/2': UNNOTED } },
    ),
    row('source address', bind(from('127.0.0.6')), times(1), { log: LOCAL }),
    row("source address that is nobody's", bind(from('192.0.2.55')), times(1), {
      differs: NOT_DIALLED,
      log: LOCAL,
    }),
    row(
      "source address that is nobody's, freebind",
      bind({ ...from('192.0.2.55'), freebind: true }),
      times(1),
      {
        log: LOCAL,
        config: {
          clusters: {
            up: {
              connect_timeout: '0.1s',
              upstream_bind_config: { ...from('192.0.2.55'), freebind: true },
            },
          },
        },
      },
    ),
    row('source address of the other family', bind(from('::1')), times(1), {
      differs: NOT_DIALLED,
      log: LOCAL,
    }),
    row(
      'source addresses of both families',
      bind({
        ...from('::1'),
        extra_source_addresses: [{ address: { address: '127.0.0.7', port_value: 0 } }],
      }),
      times(1),
      { log: LOCAL },
    ),
    row(
      'a socket option that the kernel takes',
      bind({ ...from('127.0.0.6'), socket_options: [{ level: 1, name: 9, int_value: 1 }] }),
      times(1),
      { log: LOCAL },
    ),
    row(
      'a socket option that the kernel refuses',
      bind({ ...from('127.0.0.6'), socket_options: [{ level: 1, name: 9999, int_value: 1 }] }),
      times(1),
      { differs: NOT_DIALLED, log: LOCAL },
    ),
    row(
      'socket options without a source address',
      bind({ socket_options: [{ level: 6, name: 1, int_value: 1 }] }),
      times(1),
      { log: LOCAL },
    ),
    row(
      'an interface that does not exist',
      bind({
        socket_options: [
          { level: 1, name: 25, buf_value: Buffer.from('none9\0').toString('base64') },
        ],
      }),
      times(1),
      { differs: NOT_DIALLED, log: LOCAL },
    ),
    row(
      'an interface',
      bind({
        socket_options: [{ level: 1, name: 25, buf_value: Buffer.from('lo\0').toString('base64') }],
      }),
      times(1),
      { log: LOCAL },
    ),
    row(
      'keepalive',
      up({
        upstream_connection_options: {
          tcp_keepalive: { keepalive_time: 10, keepalive_interval: 5, keepalive_probes: 3 },
        },
      }),
    ),
    row('additional addresses: the first that answers', up(endpoint('bad', ['up'])), times(1), {
      upstreams: { up: ok(), bad: { refuses: true } },
      log: '%RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS%',
    }),
    row('additional addresses: none answers', up(endpoint('bad', ['worse'])), times(1), {
      upstreams: { bad: { refuses: true }, worse: { refuses: true } },
      log: '%RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_HOST% %UPSTREAM_TRANSPORT_FAILURE_REASON%',
    }),
    row('additional addresses: the first is good', up(endpoint('up', ['bad'])), times(2), {
      upstreams: { up: ok(), bad: { refuses: true } },
    }),
    row(
      'a pool for each downstream connection',
      up({ connection_pool_per_downstream_connection: true }),
      [
        get('/1'),
        { responses: 1 },
        get('/2'),
        { responses: 2 },
        { connect: true },
        get('/3'),
        { responses: 1 },
      ],
    ),
    row('without it clients share connections', {}, [
      get('/1'),
      { responses: 1 },
      { connect: true },
      get('/3'),
      { responses: 1 },
    ]),
    row(
      'a pool for each downstream connection goes with it',
      up({ connection_pool_per_downstream_connection: true }),
      [
        get('/1'),
        { responses: 1 },
        { close: true },
        { pauseMs: 60 },
        { connect: true },
        get('/2'),
        { responses: 1 },
      ],
    ),
    row(
      'of those that are idle the last one is used',
      {},
      [
        get('/1'),
        { connect: true },
        get('/2'),
        { responses: 1 },
        { on: 0 },
        { responses: 1 },
        get('/3'),
        { responses: 2 },
      ],
      {
        upstream: { answers: [[{ pauseMs: 80 }, ok('1')], [{ pauseMs: 40 }, ok('2')], ok('3')] },
        uncut: 'order counts',
      },
    ),
    row(
      'an answer before the request is complete',
      {},
      [post('12345').slice(0, -3), { responses: 1 }, { pauseMs: 30 }],
      {
        upstream: [{ at: 'head' }, ok()],
      },
    ),
    row(
      'upstream_connection_options that change nothing on the wire',
      up({
        upstream_connection_options: { set_local_interface_name_on_upstream_connections: true },
      }),
    ),
    row('answers that say keep-alive: timeout', {}, times(3), {
      upstream: ok('ok', 'keep-alive: timeout=5'),
    }),
    row('an answer of HTTP/1.0', {}, times(2), {
      upstream: answer('200 OK', ['content-length: 0']).replace('1.1', '1.0'),
    }),
  ],
);
