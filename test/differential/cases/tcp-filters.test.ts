// Small network filters beside Envoy: limits of connections, answers of the proxy's own, proxies of databases.
import { differential } from '../differential.ts';
import { extension, fileLog, filters, tcpProxy } from '../tcp.ts';
import type { Json, Upstream } from '../row.ts';

const echo: Upstream = {
  serve: (socket) => void socket.on('data', (bytes: Buffer) => socket.write(bytes)),
};

const limit = (fields: Json): Json =>
  extension(
    'envoy.filters.network.connection_limit',
    'filters.network.connection_limit.v3.ConnectionLimit',
    { stat_prefix: 'CASE', ...fields },
  );

const rate = (bucket: Json, more: Json = {}): Json =>
  extension(
    'envoy.filters.network.local_ratelimit',
    'filters.network.local_ratelimit.v3.LocalRateLimit',
    { stat_prefix: 'CASE', token_bucket: { fill_interval: '3600s', ...bucket }, ...more },
  );

const LISTENER_LOG = {
  access_log: [fileLog('%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %DOWNSTREAM_LOCAL_CLOSE_REASON%')],
};
const direct = (response: Json): Json =>
  extension('envoy.filters.network.direct_response', 'filters.network.direct_response.v3.Config', {
    response,
  });
const quiet = tcpProxy({ access_log: [] });
const STATS = [
  'tcp.CASE.downstream_cx_total',
  'connection_limit.CASE.*',
  'local_rate_limit.CASE.*',
  'cluster.CASE-up.upstream_cx_total',
];

export const suite = await differential(import.meta.url, { stats: STATS }, [
  {
    name: 'one connection too many',
    config: filters([limit({ max_connections: 1 }), quiet], LISTENER_LOG),
    client: [
      'x',
      { until: 'x' },
      { connect: true },
      { closed: true },
      { on: 0 },
      'y',
      { until: 'xy' },
    ],
    upstream: echo,
  },
  {
    name: 'a place is free again',
    config: filters([limit({ max_connections: 1 }), quiet], LISTENER_LOG),
    client: [
      'x',
      { until: 'x' },
      { end: true },
      { closed: true },
      { close: true },
      { pauseMs: 50 },
      { connect: true },
      'y',
      { until: 'y' },
    ],
    upstream: {
      serve: (socket) => {
        socket.on('data', (bytes: Buffer) => socket.write(bytes));
        socket.on('end', () => socket.end());
      },
    },
  },
  {
    name: 'one too many is held for a while',
    config: filters([limit({ max_connections: 1, delay: '0.1s' }), quiet], LISTENER_LOG),
    client: ['x', { until: 'x' }, { connect: true }, 'nobody hears this', { closed: true }],
    upstream: echo,
  },
  {
    name: 'a connection limit that is switched off',
    config: filters([
      limit({ max_connections: 1, runtime_enabled: { default_value: false, runtime_key: 'k' } }),
      quiet,
    ]),
    client: ['x', { until: 'x' }, { connect: true }, 'y', { until: 'y' }],
    differs: {
      envoy:
        'active_connections goes down for connections that were never counted, and reads 2^64 - 2',
      ours: '0',
      reason: 'nothing was counted',
      where: ['stats'],
    },
    upstream: echo,
  },
  {
    name: 'a token for each connection',
    config: filters([rate({ max_tokens: 1 }), quiet], LISTENER_LOG),
    client: ['x', { until: 'x' }, { connect: true }, { closed: true }],
    upstream: echo,
  },
  {
    name: 'a rate limit that is switched off',
    config: filters([
      rate({ max_tokens: 1 }, { runtime_enabled: { default_value: false, runtime_key: 'k' } }),
      quiet,
    ]),
    client: ['x', { until: 'x' }, { connect: true }, 'y', { until: 'y' }],
    upstream: echo,
  },
  {
    name: 'echo says what it hears',
    config: filters(
      [extension('envoy.filters.network.echo', 'filters.network.echo.v3.Echo')],
      LISTENER_LOG,
    ),
    client: ['hello', { until: 'hello' }, 'you', { until: 'you' }, { end: true }, { closed: true }],
  },
  {
    name: 'a direct response',
    config: filters([direct({ inline_string: 'go away\r\n' })], LISTENER_LOG),
    client: [{ until: 'go away' }, { closed: true }],
  },
  {
    name: 'an empty direct response',
    config: filters([direct({ inline_string: '' })], LISTENER_LOG),
    client: [{ closed: true }],
  },
  {
    name: 'a connection limit before a connection manager',
    config: {
      listener: {
        filter_chains: [
          {
            filters: [
              limit({ max_connections: 1 }),
              extension(
                'envoy.filters.network.http_connection_manager',
                'filters.network.http_connection_manager.v3.HttpConnectionManager',
                {
                  stat_prefix: 'CASE',
                  route_config: {
                    virtual_hosts: [
                      {
                        name: 'v',
                        domains: ['*'],
                        routes: [{ match: { prefix: '/' }, direct_response: { status: 204 } }],
                      },
                    ],
                  },
                  http_filters: [
                    extension('envoy.filters.http.router', 'filters.http.router.v3.Router'),
                  ],
                },
              ),
            ],
          },
        ],
      },
    },
    client: [
      'GET / HTTP/1.1\r\nhost: h\r\n\r\n',
      { responses: 1 },
      { connect: true },
      { closed: true },
    ],
    stats: ['connection_limit.CASE.*'],
  },
]);
