// CONNECT that ends at the proxy (`connect_config`): payload goes on raw, answers come back as the tunnel's bytes.
import { differential } from '../differential.ts';
import type { CaseConfig, Json, Row, Upstream } from '../row.ts';
import { get, ok, post, request } from '../texts.ts';

const ends = (connect: Json = {}, more: CaseConfig = {}, route: Json = {}): CaseConfig => ({
  hcm: { upgrade_configs: [{ upgrade_type: 'CONNECT' }] },
  routes: [
    {
      match: { connect_matcher: {} },
      route: {
        cluster: 'CASE-up',
        upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: connect }],
        ...route,
      },
    },
    {
      match: { prefix: '/' },
      route: {
        cluster: 'CASE-up',
        upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: connect }],
        ...route,
      },
    },
  ],
  ...more,
});
const connecting = request('CONNECT other:80 HTTP/1.1');

/** Notes what it gets and how it ends; answers each `ping` with `pong`, however they come. */
const listener: Upstream = {
  serve: (socket, note) => {
    let text = '';
    let answered = 0;
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      for (; answered < text.split('ping').length - 1; answered++) socket.write('pong');
      if (text.endsWith('bye')) socket.end();
      if (text.endsWith('reset')) socket.resetAndDestroy();
    });
    socket.on('end', () => note(`${text} <fin>`));
    socket.on('error', () => note(`${text} <reset>`));
  },
};
const tunnel = (name: string, more: Partial<Row> = {}): Row => ({
  name,
  config: ends(),
  client: [connecting, { until: '200' }, 'ping', { until: 'pong' }, { close: true }],
  upstream: listener,
  ...more,
});
/** Ports of a PROXY header are nobody's choice. */
const PORTS: Row['mask'] = [[/(PROXY TCP4 \S+ \S+) \d+ \d+/g, '$1 P P']];

export const suite = await differential(
  import.meta.url,
  {
    stats: [
      'http.CASE.downstream_rq_*',
      'http.CASE.downstream_cx_upgrades_*',
      'cluster.CASE-up.upstream_rq_*',
      'cluster.CASE-up.upstream_cx_*',
    ],
  },
  [
    tunnel('bytes go both ways'),
    tunnel('bytes sent with the request', {
      client: [`${connecting}ping`, { until: 'pong' }, { close: true }],
    }),
    tunnel('the upstream speaks first', {
      client: [connecting, { until: '220' }, { close: true }],
      upstream: { serve: (socket) => void socket.write('220 hi\r\n') },
    }),
    tunnel('the upstream ends', {
      client: [connecting, { until: '200' }, 'bye', { closed: true }],
    }),
    tunnel('the upstream resets', {
      client: [connecting, { until: '200' }, 'reset', { closed: true }],
    }),
    tunnel('the client ends its side', {
      client: [
        connecting,
        { until: '200' },
        'ping',
        { until: 'pong' },
        { end: true },
        { closed: true },
      ],
    }),
    tunnel('the client resets', {
      client: [connecting, { until: '200' }, 'ping', { until: 'pong' }, { reset: true }],
    }),
    tunnel('nobody listens', { client: [connecting, { heads: 1 }], upstream: { refuses: true } }),
    tunnel('nobody listens, with retries', {
      config: ends({}, {}, { retry_policy: { retry_on: 'connect-failure', num_retries: 1 } }),
      client: [connecting, { heads: 1 }],
      upstream: { refuses: true },
    }),
    tunnel('a route time-out does not end it', {
      config: ends({}, {}, { timeout: '0.1s' }),
      client: [
        connecting,
        { until: '200' },
        { pauseMs: 250 },
        'ping',
        { until: 'pong' },
        { close: true },
      ],
    }),
    tunnel('a PROXY header goes ahead', {
      config: ends({ proxy_protocol_config: { version: 'V1' } }),
      mask: PORTS,
    }),
    tunnel('a PROXY header by default', {
      config: ends({ proxy_protocol_config: {} }),
      mask: PORTS,
    }),
    tunnel('a PROXY header of version 2, with a TLV', {
      mask: [[/(?:\x7f\0\0\x01){2}.*?(?=ping)/gs, 'ADDRESSES']],
      config: ends({
        proxy_protocol_config: { version: 'V2', added_tlvs: [{ type: 0xe0, value: 'aGk=' }] },
      }),
    }),
    tunnel('the limit of connections', {
      config: ends(
        {},
        { clusters: { up: { circuit_breakers: { thresholds: [{ max_connections: 0 }] } } } },
      ),
      client: [connecting, { heads: 1 }],
      differs: {
        envoy:
          'a pool without connections may always make one, and one that has some lets the request wait until it is free',
        ours: '503 with `overflow`, as for tcp_proxy',
        reason: 'A limit that is reached is said at once, not after a wait of unknown length.',
        where: ['client', 'log', 'stats'],
      },
    }),
    tunnel('the limit of waiting requests', {
      config: ends(
        {},
        { clusters: { up: { circuit_breakers: { thresholds: [{ max_pending_requests: 0 }] } } } },
      ),
      client: [connecting, { heads: 1 }],
    }),
    tunnel('the limit of requests', {
      config: ends(
        {},
        { clusters: { up: { circuit_breakers: { thresholds: [{ max_requests: 0 }] } } } },
      ),
      client: [connecting, { heads: 1 }],
    }),
    tunnel('a type in small letters', {
      config: {
        routes: [
          {
            match: { prefix: '/' },
            route: {
              cluster: 'CASE-up',
              upgrade_configs: [{ upgrade_type: 'connect', connect_config: {} }],
            },
          },
        ],
      },
      client: [get('/'), { responses: 1 }],
      upstream: ok(),
    }),
    tunnel('response headers of the route are added', {
      config: ends(
        {},
        {
          virtualHost: {
            response_headers_to_add: [{ header: { key: 'x-tunnel', value: 'open' } }],
          },
        },
      ),
    }),
    tunnel('POST is a request like others', {
      client: [post('ping'), { heads: 1 }],
      upstream: ok(),
    }),
    tunnel('POST may be taken for a CONNECT', {
      config: ends({ allow_post: true }),
      client: [post('ping'), { until: 'pong' }, { close: true }],
    }),
    tunnel('a POST without a body', {
      config: ends({ allow_post: true }),
      client: [post(''), { responses: 1 }],
      upstream: {
        serve: (socket, note) => {
          socket.resume().on('end', () => {
            note('<fin>');
            socket.end('bye');
          });
        },
      },
    }),
    tunnel('a GET goes on as a GET', {
      config: ends({ allow_post: true }),
      client: [get('/'), { responses: 1 }],
      upstream: ok(),
    }),
  ],
);
