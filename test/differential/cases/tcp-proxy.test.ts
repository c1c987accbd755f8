// tcp_proxy beside Envoy: who is dialled, what ends a session, what the log and the counters say of it.
import { differential } from '../differential.ts';
import { fileLog, filters, tcp, tcpProxy, extension } from '../tcp.ts';
import type { Upstream } from '../row.ts';

/** Greets, and answers each piece of bytes. */
const echo: Upstream = {
  serve: (socket) => void socket.on('data', (bytes: Buffer) => socket.write(bytes)),
};
const greeter = (text: string): Upstream => ({ serve: (socket) => void socket.write(text) });
const listens = (note: string): Upstream => ({
  serve: (socket, say, hear) => {
    say(note);
    socket.on('data', hear);
    socket.on('end', () => say('<fin>'));
    socket.on('error', () => say('<reset>'));
  },
});

const STATS = ['tcp.CASE.*', 'cluster.CASE-up.upstream_cx_*', 'cluster.CASE-up.upstream_rq_*'];

export const suite = await differential(import.meta.url, { stats: STATS }, [
  {
    name: 'bytes go both ways',
    config: tcp(),
    client: ['hello', { until: 'hello' }, { close: true }],
    upstream: echo,
  },
  {
    name: 'an upstream that speaks first',
    config: tcp(),
    client: [{ until: '220' }, { close: true }],
    upstream: greeter('220 hi\r\n'),
  },
  {
    name: 'nobody listens',
    config: tcp(),
    client: [{ closed: true }],
    upstream: { refuses: true },
  },
  {
    name: 'nobody listens, three attempts',
    config: tcp({ max_connect_attempts: 3 }),
    client: [{ closed: true }],
    upstream: { refuses: true },
  },
  {
    name: 'attempts with back-off',
    config: tcp({
      max_connect_attempts: 3,
      backoff_options: { base_interval: '0.02s', max_interval: '0.05s' },
    }),
    client: [{ closed: true }],
    upstream: { refuses: true },
  },
  {
    name: 'nobody may wait for a connection',
    config: {
      ...tcp(),
      clusters: { up: { circuit_breakers: { thresholds: [{ max_pending_requests: 0 }] } } },
    },
    client: [{ closed: true }],
    upstream: echo,
    differs: {
      envoy: 'URX, as if hosts had been tried',
      ours: 'UO, as for the limit of connections',
      reason: 'The flag says which it was: a limit, not a host.',
      where: ['log', 'stats'],
    },
  },
  {
    name: 'a cluster that does not exist',
    config: tcp({ cluster: 'nowhere' }),
    client: [{ closed: true }],
  },
  {
    name: 'a cluster without hosts',
    config: {
      ...tcp({ cluster: 'CASE-empty' }),
      clusters: { empty: { load_assignment: { cluster_name: 'CASE-empty', endpoints: [] } } },
    },
    client: [{ closed: true }],
  },
  {
    name: 'no connections allowed',
    config: {
      ...tcp(),
      clusters: { up: { circuit_breakers: { thresholds: [{ max_connections: 0 }] } } },
    },
    client: [{ closed: true }],
    upstream: echo,
  },
  {
    name: 'weighted clusters with all weight on one',
    config: tcp({
      weighted_clusters: {
        clusters: [
          { name: 'CASE-up', weight: 1 },
          { name: 'CASE-up', weight: 5 },
        ],
      },
    }),
    client: ['x', { until: 'x' }, { close: true }],
    upstream: echo,
  },
  {
    name: 'an idle session ends',
    config: tcp({ idle_timeout: '0.1s' }),
    client: ['x', { until: 'x' }, { closed: true }],
    upstream: echo,
  },
  {
    name: 'a session may last so long',
    config: tcp({ max_downstream_connection_duration: '0.1s' }),
    client: ['x', { until: 'x' }, { closed: true }],
    upstream: echo,
  },
  {
    name: 'a session may last so long, with jitter',
    config: tcp({
      max_downstream_connection_duration: '0.1s',
      max_downstream_connection_duration_jitter_percentage: { value: 50 },
    }),
    client: ['x', { until: 'x' }, { closed: true }],
    upstream: echo,
  },
  {
    name: 'the client ends its side, the upstream goes on',
    config: tcp(),
    client: ['x', { end: true }, { until: 'rest' }, { closed: true }],
    upstream: {
      serve: (socket, say, hear) => {
        socket.on('data', hear);
        socket.on('end', () => {
          say('<fin>');
          setTimeout(() => socket.end('rest'), 60);
        });
      },
    },
  },
  {
    name: 'the upstream ends its side, the client goes on',
    config: tcp(),
    client: [
      { until: 'bye' },
      { closed: true },
      'late',
      { upstreamGets: 'late' },
      { end: true },
      { upstreamGets: '<fin>' },
    ],
    upstream: {
      serve: (socket, say, hear) => {
        socket.on('data', hear);
        socket.on('end', () => say('<fin>'));
        socket.end('bye');
      },
    },
  },
  {
    name: 'the client resets',
    config: tcp(),
    client: ['x', { upstreamGets: 'x' }, { reset: true }, { upstreamGets: '<reset>' }],
    upstream: listens('hi'),
  },
  {
    name: 'the upstream resets',
    config: tcp(),
    client: ['x', { closed: true }],
    upstream: { serve: (socket) => void socket.on('data', () => socket.resetAndDestroy()) },
  },
  {
    name: 'a line at the start, when connected, and at the end',
    config: tcp({
      access_log_options: { flush_access_log_on_connected: true, flush_access_log_on_start: true },
    }),
    client: ['x', { until: 'x' }, { close: true }],
    upstream: echo,
  },
  {
    name: 'early data, upstream dialled at once',
    // Whether anything is early depends on who is faster.
    stats: ['tcp.CASE.downstream_cx_*'],
    config: tcp({ max_early_data_bytes: 100 }),
    client: ['x', { until: 'x' }, { close: true }],
    upstream: echo,
  },
  {
    name: 'the upstream is dialled when the client has said something',
    config: tcp({ upstream_connect_mode: 'ON_DOWNSTREAM_DATA', max_early_data_bytes: 100 }),
    client: [{ pauseMs: 80 }, 'x', { until: 'x' }, { close: true }],
    upstream: echo,
  },
  {
    name: 'a client that says nothing dials nobody',
    config: tcp({ upstream_connect_mode: 'ON_DOWNSTREAM_DATA', max_early_data_bytes: 100 }),
    client: [{ pauseMs: 80 }, { close: true }],
    differs: {
      envoy: 'keeps the connection until its idle time is over: nobody is dialled for it any more',
      ours: 'closes it',
      reason: 'a connection that can come to nothing holds nothing',
      where: ['log'],
    },
    upstream: echo,
  },
  {
    name: 'a client that ends its side without a word',
    config: tcp({ upstream_connect_mode: 'ON_DOWNSTREAM_DATA', max_early_data_bytes: 100 }),
    client: [{ end: true }, { pauseMs: 80 }, { close: true }],
    differs: {
      envoy: 'keeps the connection until its idle time is over: nobody is dialled for it any more',
      ours: 'closes it',
      reason: 'a connection that can come to nothing holds nothing',
      where: ['client', 'log'],
    },
    upstream: echo,
  },
  {
    name: 'two pieces of early data',
    // How many come before the attempts are over is chance.
    stats: ['tcp.CASE.downstream_cx_total', 'cluster.CASE-up.upstream_cx_connect_fail'],
    config: tcp({
      upstream_connect_mode: 'ON_DOWNSTREAM_DATA',
      max_early_data_bytes: 100,
      max_connect_attempts: 3,
      backoff_options: { base_interval: '0.3s' },
    }),
    client: ['x', { pauseMs: 30 }, 'y', { closed: true }],
    upstream: { refuses: true },
  },
  {
    name: 'sni_cluster without a name leaves the cluster',
    config: filters([
      extension('envoy.filters.network.sni_cluster', 'filters.network.sni_cluster.v3.SniCluster'),
      tcpProxy(),
    ]),
    client: ['x', { until: 'x' }, { close: true }],
    upstream: echo,
  },
  {
    name: 'filter state names the cluster',
    config: filters([
      extension('set', 'filters.network.set_filter_state.v3.Config', {
        on_new_connection: [
          {
            object_key: 'envoy.tcp_proxy.cluster',
            format_string: { text_format_source: { inline_string: 'CASE-other' } },
          },
        ],
      }),
      tcpProxy(),
    ]),
    client: [{ until: 'other' }, { close: true }],
    upstream: echo,
    upstreams: { other: greeter('other') },
  },
  {
    name: 'filter state is in the log',
    config: filters([
      extension('set', 'filters.network.set_filter_state.v3.Config', {
        on_new_connection: [
          {
            object_key: 'k',
            factory_key: 'envoy.string',
            format_string: {
              text_format_source: { inline_string: 'v %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%' },
            },
          },
        ],
      }),
      tcpProxy({ access_log: [fileLog('%FILTER_STATE(k:PLAIN)%')] }),
    ]),
    client: ['x', { until: 'x' }, { close: true }],
    upstream: echo,
  },
  {
    name: 'filter state sets the idle time',
    config: filters([
      extension('set', 'filters.network.set_filter_state.v3.Config', {
        on_new_connection: [
          {
            object_key: 'envoy.tcp_proxy.per_connection_idle_timeout_ms',
            format_string: { text_format_source: { inline_string: '100' } },
          },
        ],
      }),
      tcpProxy(),
    ]),
    client: ['x', { until: 'x' }, { closed: true }],
    upstream: echo,
  },
]);
