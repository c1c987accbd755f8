// Upgrades and CONNECT: who may, what is held back, how tunnels end (envoy-behaviour §1.11; attack 26).
import { differential } from '../differential.ts';
import type { CaseConfig, Row } from '../row.ts';
import { answer, get, ok, post, request } from '../texts.ts';

const websocket: CaseConfig = { hcm: { upgrade_configs: [{ upgrade_type: 'websocket' }] } };
const foo: CaseConfig = { hcm: { upgrade_configs: [{ upgrade_type: 'foo' }] } };
const connect: CaseConfig = {
  hcm: { upgrade_configs: [{ upgrade_type: 'CONNECT' }] },
  routes: [{ match: { connect_matcher: {} }, route: { cluster: 'CASE-up' } }],
};
const handshake = (...lines: readonly string[]): string =>
  get('/chat', 'connection: Upgrade', 'upgrade: websocket', 'sec-websocket-key: x', ...lines);
const SWITCH = answer('101 Switching Protocols', ['upgrade: websocket', 'connection: Upgrade']);
const echo: Row['upstream'] = [SWITCH, { tunnel: true }, { until: 'ping' }, 'pong'];
const connecting = request('CONNECT other:80 HTTP/1.1');

/** One websocket handshake with some config and upstream. */
const shake = (name: string, more: Partial<Row>): Row => ({
  name,
  config: websocket,
  client: [handshake(), { heads: 1 }],
  upstream: [SWITCH, { tunnel: true }],
  ...more,
});

export const suite = await differential(
  import.meta.url,
  {
    stats: [
      'http.CASE.downstream_rq_*',
      'http.CASE.downstream_cx_upgrades_*',
      'cluster.CASE-up.upstream_rq_*',
      'cluster.CASE-up.upstream_cx_total',
      'cluster.CASE-up.upstream_cx_destroy*',
    ],
  },
  [
    // who may
    shake('an upgrade that nobody allowed is refused', {
      config: {},
      upstream: ok(),
      client: [handshake(), { closed: true }],
    }),
    shake('an upgrade of another type is refused', {
      config: foo,
      upstream: ok(),
      client: [handshake(), { closed: true }],
    }),
    shake('an allowed upgrade', {}),
    shake('an allowed upgrade in another case', {
      client: [get('/', 'Connection: UPGRADE', 'Upgrade: WebSocket'), { heads: 1 }],
    }),
    shake('upgrade among other connection options', {
      client: [get('/', 'connection: keep-alive, Upgrade', 'upgrade: websocket'), { heads: 1 }],
    }),
    shake('an upgrade that is switched off', {
      config: { hcm: { upgrade_configs: [{ upgrade_type: 'websocket', enabled: false }] } },
      upstream: ok(),
    }),
    shake('an upgrade that the route allows', {
      config: { route: { upgrade_configs: [{ upgrade_type: 'websocket' }] } },
    }),
    shake('an upgrade that the route forbids', {
      config: {
        ...websocket,
        route: { upgrade_configs: [{ upgrade_type: 'websocket', enabled: false }] },
      },
      upstream: ok(),
    }),
    shake('an upgrade of two types', {
      client: [get('/', 'connection: upgrade', 'upgrade: websocket, foo'), { heads: 1 }],
    }),
    shake('an upgrade without connection: upgrade is none', {
      client: [get('/', 'upgrade: websocket'), { responses: 1 }],
      upstream: ok(),
    }),
    shake('connection: upgrade without a type is none', {
      client: [get('/', 'connection: upgrade'), { responses: 1 }],
      upstream: ok(),
    }),
    shake('h2c is passed over', {
      client: [
        get('/', 'connection: upgrade, http2-settings', 'upgrade: h2c', 'http2-settings: x'),
        { responses: 1 },
      ],
      upstream: ok(),
    }),
    shake('h2c in another case is passed over', {
      client: [get('/', 'connection: Upgrade', 'upgrade: H2C'), { responses: 1 }],
      upstream: ok(),
    }),
    shake('no route for an upgrade', {
      config: { ...websocket, virtualHosts: [{ name: 'v', domains: ['other'], routes: [] }] },
      client: [handshake(), { responses: 1 }],
    }),
    // the handshake's answer
    shake('101 opens a tunnel both ways', {
      client: [handshake(), { until: '101' }, 'ping', { until: 'pong' }],
      upstream: echo,
    }),
    shake('the server may speak first', {
      client: [handshake(), { until: 'hello' }, 'ping', { upstreamGets: 'ping' }],
      upstream: [`${SWITCH}hello`, { tunnel: true }],
    }),
    shake('bytes before the answer wait for it', {
      client: [`${handshake()}ping`, { until: 'pong' }],
      upstream: echo,
    }),
    shake('bytes before a slow answer wait for it', {
      client: [handshake(), { upstreamGets: 'chat' }, 'ping', { until: 'pong' }],
      upstream: [{ pauseMs: 80 }, SWITCH, { tunnel: true }, { until: 'ping' }, 'pong'],
    }),
    ...[
      ['200 OK', 'content-length: 2'],
      ['302 Found', 'content-length: 2'],
      ['204 No Content', 'x-a: 1'],
      ['400 Bad Request', 'content-length: 2'],
      ['403 Forbidden', 'content-length: 2'],
      ['404 Not Found', 'transfer-encoding: chunked'],
      ['503 Busy', 'content-length: 2'],
    ].map(([status, line]): Row =>
      shake(`a handshake answered with ${status}`, {
        client: [handshake(), { closed: true }],
        upstream: answer(
          status!,
          [line!, 'x-why: not'],
          line!.includes('chunked')
            ? '2\r\nno\r\n0\r\n\r\n'
            : status!.startsWith('204')
              ? ''
              : 'no',
        ),
      }),
    ),
    shake('bytes behind a refused handshake are no request', {
      client: [handshake() + get('/smuggled'), { closed: true }],
      upstream: answer('403 Forbidden', ['content-length: 2'], 'no'),
      uncut: 'bytes that come behind the end are answered by a reset',
    }),
    shake('bytes behind an upgrade that is not allowed', {
      config: {},
      client: [handshake() + get('/smuggled'), { closed: true }],
      upstream: ok(),
      uncut: 'bytes that come behind the end are answered by a reset',
    }),
    shake('a server that hangs up on the handshake', {
      upstream: [{ close: true }],
      client: [handshake(), { closed: true }],
    }),
    shake('a dead server', {
      upstream: { refuses: true },
      client: [handshake(), { closed: true }],
    }),
    shake('a server that does not answer the handshake', {
      config: { ...websocket, route: { timeout: '0.2s' } },
      upstream: [],
      client: [handshake(), { closed: true }],
    }),
    shake('a tunnel outlives the time-out of its route', {
      config: { ...websocket, route: { timeout: '0.4s' } },
      client: [handshake(), { until: '101' }, { pauseMs: 600 }, 'ping', { until: 'pong' }],
      upstream: echo,
    }),
    shake('a tunnel ends by the idle time-out', {
      config: { hcm: { ...websocket.hcm, stream_idle_timeout: '0.6s' } },
      client: [handshake(), { until: '101' }, { closed: true }],
    }),
    shake('101 with a length', {
      upstream: [
        answer('101 Switching Protocols', [
          'upgrade: websocket',
          'connection: Upgrade',
          'content-length: 0',
        ]),
        { tunnel: true },
      ],
    }),
    shake('101 without upgrade', {
      upstream: [answer('101 Switching Protocols'), { tunnel: true }],
    }),
    shake('101 with another type', {
      upstream: [
        answer('101 Switching Protocols', ['upgrade: foo', 'connection: Upgrade']),
        { tunnel: true },
      ],
    }),
    shake('an interim answer before 101', {
      upstream: [answer('103 Early Hints') + SWITCH, { tunnel: true }],
    }),
    // ends
    shake('the server closes the tunnel', {
      client: [handshake(), { until: 'bye' }, { closed: true }],
      upstream: [`${SWITCH}bye`, { close: true }],
    }),
    shake('the server half-closes the tunnel', {
      client: [handshake(), { until: 'bye' }, { closed: true }],
      upstream: [`${SWITCH}bye`, { end: true }],
    }),
    shake('the server resets the tunnel', {
      client: [handshake(), { until: 'bye' }, { closed: true }],
      upstream: [`${SWITCH}bye`, { pauseMs: 60 }, { reset: true }],
    }),
    shake('the client closes the tunnel', {
      client: [
        handshake(),
        { until: '101' },
        'ping',
        { until: 'pong' },
        { close: true },
        { upstreamEnds: true },
      ],
      upstream: echo,
    }),
    shake('the client half-closes the tunnel', {
      client: [
        handshake(),
        { until: '101' },
        'ping',
        { until: 'pong' },
        { end: true },
        { upstreamEnds: true },
      ],
      upstream: echo,
    }),
    shake('the client resets the tunnel', {
      client: [
        handshake(),
        { until: '101' },
        'ping',
        { until: 'pong' },
        { reset: true },
        { upstreamEnds: true },
      ],
      upstream: echo,
    }),
    // bodies
    shake('an upgrade with a body', {
      upstream: [{ at: 'head' }, SWITCH, { tunnel: true }],
      client: [post('hello', 'connection: upgrade', 'upgrade: websocket'), { heads: 1 }],
    }),
    shake('an upgrade with length 0', {
      upstream: [{ at: 'head' }, SWITCH, { tunnel: true }],
      client: [post('', 'connection: upgrade', 'upgrade: websocket'), { heads: 1 }],
    }),
    shake('an upgrade with chunks', {
      upstream: [{ at: 'head' }, SWITCH, { tunnel: true }],
      client: [
        request(
          'GET / HTTP/1.1',
          ['connection: upgrade', 'upgrade: websocket', 'transfer-encoding: chunked'],
          '5\r\nhello\r\n0\r\n\r\n',
        ),
        { heads: 1 },
      ],
    }),
    shake('another kind of upgrade, bytes sent ahead', {
      config: foo,
      client: [`${get('/', 'connection: upgrade', 'upgrade: foo')}ping`, { until: 'pong' }],
      upstream: [
        answer('101 Switching Protocols', ['upgrade: foo', 'connection: upgrade']),
        { tunnel: true },
        { until: 'ping' },
        'pong',
      ],
    }),
    shake('another kind of upgrade answered with 200', {
      config: foo,
      client: [get('/', 'connection: upgrade', 'upgrade: foo'), { heads: 1 }],
      upstream: ok(),
    }),
    shake('another kind of upgrade answered with 404', {
      config: foo,
      client: [get('/', 'connection: upgrade', 'upgrade: foo'), { heads: 1 }],
      upstream: answer('404 Not Found', ['content-length: 2'], 'no'),
    }),
    // CONNECT
    { name: 'CONNECT that nobody allowed', client: [connecting, { closed: true }] },
    {
      name: 'CONNECT without a route',
      config: { hcm: connect.hcm! },
      client: [connecting, { heads: 1 }],
    },
    {
      name: 'CONNECT with a route and without permission',
      config: { routes: connect.routes! },
      client: [connecting, { closed: true }],
    },
    {
      name: 'CONNECT is passed on',
      config: connect,
      client: [connecting, { until: '200' }, 'ping', { until: 'pong' }],
      upstream: [answer('200 OK'), { tunnel: true }, { until: 'ping' }, 'pong'],
    },
    {
      name: 'CONNECT with an answer of a length',
      config: connect,
      client: [connecting, { heads: 1 }],
      upstream: [answer('200 OK', ['content-length: 2'], 'ok'), { tunnel: true }],
    },
    {
      name: 'CONNECT that the server refuses',
      config: connect,
      client: [connecting, { heads: 1 }],
      upstream: answer('403 Forbidden', ['content-length: 2'], 'no'),
    },
    {
      name: 'CONNECT with a path',
      config: connect,
      client: [request('CONNECT /path HTTP/1.1'), { closed: true }],
    },
    ...[
      'other:',
      'other:x',
      'other:65536',
      ':80',
      '[::1]:80',
      '[::1]',
      'u@other:80',
      'other:80:90',
      '*',
    ].map((target): Row => ({
      name: `CONNECT to ${target}`,
      config: connect,
      client: [request(`CONNECT ${target} HTTP/1.1`), { heads: 1 }],
      upstream: [answer('200 OK'), { tunnel: true }],
    })),
    {
      name: 'CONNECT with an absolute target',
      config: connect,
      client: [request('CONNECT http://h:80/ HTTP/1.1'), { closed: true }],
    },
    {
      name: 'CONNECT without a port',
      config: connect,
      client: [request('CONNECT other HTTP/1.1'), { heads: 1 }],
      upstream: [answer('200 OK'), { tunnel: true }],
    },
    {
      name: 'CONNECT with an odd byte',
      config: connect,
      client: [request('CONNECT a"b:80 HTTP/1.1'), { closed: true }],
    },
    {
      name: 'CONNECT with a length',
      config: connect,
      client: [
        request('CONNECT other:80 HTTP/1.1', ['content-length: 5'], 'hello'),
        { closed: true },
      ],
    },
    {
      name: 'CONNECT with length 0',
      config: connect,
      client: [request('CONNECT other:80 HTTP/1.1', ['content-length: 0']), { heads: 1 }],
      upstream: [answer('200 OK'), { tunnel: true }],
    },
    {
      name: 'CONNECT with chunks',
      config: connect,
      client: [
        request('CONNECT other:80 HTTP/1.1', ['transfer-encoding: chunked'], '0\r\n\r\n'),
        { closed: true },
      ],
    },
    {
      name: 'CONNECT without host',
      config: connect,
      client: ['CONNECT other:80 HTTP/1.1\r\n\r\n', { heads: 1 }],
      upstream: [answer('200 OK'), { tunnel: true }],
    },
  ],
);
