// Time-outs of streams and connections, drains, and when a connection ends (envoy-behaviour §1.9, §1.10).
import { differential } from '../differential.ts';
import type { Json, Row } from '../row.ts';

const get = (path = '/', ...lines: readonly string[]): string =>
  `GET ${path} HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const post = (...lines: readonly string[]): string => get('/', ...lines).replace('GET', 'POST');
const GRPC = post('content-type: application/grpc', 'content-length: 0');
const HALF_BODY = `${post('content-length: 5')}a`;
const DIRECT = [
  { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'hi' } } },
];
const common = (options: Json): Json => ({ common_http_protocol_options: options });
const NEVER = { upstream: [] } as const;
/** The test is about time: bytes come as they are. */
const UNCUT = 'waits for time-outs';

const row = (name: string, hcm: Json, client: Row['client'], more: Partial<Row> = {}): Row => ({
  name,
  config: { hcm },
  client,
  uncut: UNCUT,
  ...more,
});
const closed = { closed: true } as const;
const pause = (pauseMs: number) => ({ pauseMs });

const streams: readonly Row[] = [
  row('a stream stands still: 504', { stream_idle_timeout: '0.5s' }, [get(), { responses: 1 }], {
    ...NEVER,
    expect: { status: 504, log: / SI stream_idle_timeout / },
  }),
  row('a body stops: 408', { stream_idle_timeout: '0.5s' }, [HALF_BODY, closed], {
    expect: { status: 408 },
  }),
  row('a head stops: 408', { stream_idle_timeout: '0.5s' }, ['GET / HT', closed], {
    expect: { status: 408, log: / - 408 SI / },
  }),
  row('a response stops: the connection is cut', { stream_idle_timeout: '0.5s' }, [get(), closed], {
    upstream: ['HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\na'],
  }),
  row('gRPC stands still', { stream_idle_timeout: '0.5s' }, [GRPC, { responses: 1 }], NEVER),
  {
    ...row(
      'a route may have more patience',
      { stream_idle_timeout: '0.1s' },
      [get(), { responses: 1 }],
      NEVER,
    ),
    config: { hcm: { stream_idle_timeout: '0.1s' }, route: { idle_timeout: '0.6s' } },
  },
  {
    ...row('or no end of it', {}, [get(), pause(700), { close: true }], NEVER),
    config: { hcm: { stream_idle_timeout: '0.3s' }, route: { idle_timeout: '0s' } },
  },
  row('a request takes too long: 408', { request_timeout: '0.5s' }, [HALF_BODY, closed], {
    expect: { status: 408, log: /request_overall_timeout/ },
  }),
  row('so does a head', { request_timeout: '0.5s' }, ['GET / HT', closed]),
  row('a complete request has time', { request_timeout: '0.3s' }, [get(), { responses: 1 }], {
    upstream: [pause(700), 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'],
    expect: { status: 200 },
  }),
  {
    ...row('an answered request has time', {}, [HALF_BODY, pause(700), { close: true }]),
    config: { hcm: { request_timeout: '0.3s', delayed_close_timeout: '2s' }, routes: DIRECT },
  },
  row('headers take too long: 408', { request_headers_timeout: '0.5s' }, ['GET / HT', closed], {
    expect: { status: 408, log: /request_header_timeout/ },
  }),
  row('so do those of the second request', { request_headers_timeout: '0.5s' }, [
    get(),
    { responses: 1 },
    'GET / HT',
    closed,
  ]),
  row('an empty line begins a request', { request_headers_timeout: '0.5s' }, ['\r\n', closed]),
  row('no byte begins none', { request_headers_timeout: '0.3s' }, [pause(700), { close: true }]),
  row('complete headers have time', { request_headers_timeout: '0.3s' }, [
    HALF_BODY,
    pause(700),
    'bcde',
    { responses: 1 },
  ]),
  row(
    'a stream lasts too long: 504',
    common({ max_stream_duration: '0.5s' }),
    [get(), { responses: 1 }],
    {
      ...NEVER,
      expect: { status: 504, log: /max_duration_timeout/ },
    },
  ),
  row('a request lasts too long: 408', common({ max_stream_duration: '0.5s' }), [
    HALF_BODY,
    closed,
  ]),
  row('a response lasts too long: cut', common({ max_stream_duration: '0.5s' }), [get(), closed], {
    upstream: ['HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\na'],
  }),
  row(
    'gRPC lasts too long: status 4',
    common({ max_stream_duration: '0.5s' }),
    [GRPC, { responses: 1 }],
    {
      ...NEVER,
      expect: { client: /grpc-status: 4\r\n/ },
    },
  ),
  {
    ...row('a route may allow more', {}, [get(), { responses: 1 }], NEVER),
    config: {
      hcm: common({ max_stream_duration: '0.1s' }),
      route: { max_stream_duration: { max_stream_duration: '0.6s' } },
    },
  },
  {
    ...row('or any duration', {}, [get(), pause(700), { close: true }], NEVER),
    config: {
      hcm: common({ max_stream_duration: '0.3s' }),
      route: { max_stream_duration: { max_stream_duration: '0s' } },
    },
  },
];

const IDLE = { ...common({ idle_timeout: '0.5s' }), drain_timeout: '0.3s' };
const OLD = { ...common({ max_connection_duration: '0.6s' }), drain_timeout: '0.3s' };
const SAFE = { ...OLD, http1_safe_max_connection_duration: true };

const connections: readonly Row[] = [
  row('a connection that says nothing is closed', IDLE, [closed]),
  row('an idle connection is drained, then closed', IDLE, [get(), { responses: 1 }, closed]),
  row('a request during the drain is answered with close', { ...IDLE, drain_timeout: '1.5s' }, [
    get(),
    { responses: 1 },
    pause(900),
    get(),
    { responses: 2 },
    closed,
  ]),
  row('half a head is not idle', IDLE, ['GET / HT', pause(900), { close: true }]),
  row('an old connection without a request is closed', OLD, [closed]),
  row('an old connection is drained, then closed', OLD, [get(), { responses: 1 }, closed]),
  row('an old connection answers what it has', OLD, [get(), { responses: 1 }, closed], {
    upstream: [pause(1300), 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'],
  }),
  row('in safe mode it waits for one more request', SAFE, [
    get(),
    { responses: 1 },
    pause(1000),
    get(),
    { responses: 2 },
    closed,
  ]),
  row(
    'a stream over the age does not say close in safe mode',
    SAFE,
    [get(), { responses: 1 }, get(), { responses: 2 }, closed],
    {
      upstream: { answers: [[pause(900), 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n']] },
    },
  ),
  row('an old connection without a request is closed in safe mode, too', SAFE, [closed]),
  row('two requests a connection', common({ max_requests_per_connection: 2 }), [
    get('/1') + get('/2') + get('/3'),
    closed,
  ]),
  row('one request a connection', common({ max_requests_per_connection: 1 }), [get(), closed]),
];

const LINGER = { delayed_close_timeout: '0.8s' };
const ends: readonly Row[] = [
  row('an error leaves the socket open for a while', LINGER, [
    'GET / HTTP/1.1\r\n\r\n',
    { responses: 1 },
    pause(100),
    { close: true },
  ]),
  row('and closes it then', LINGER, ['GET / HTTP/1.1\r\n\r\n', closed]),
  row('unless the client goes first', LINGER, [
    'GET / HTTP/1.1\r\n\r\n',
    { responses: 1 },
    { end: true },
    closed,
  ]),
  row('or nobody waits', { delayed_close_timeout: '0s' }, ['GET / HTTP/1.1\r\n\r\n', closed]),
  row('a client that asked for the end gets it at once', LINGER, [
    get('/', 'connection: close'),
    closed,
  ]),
  row('in any case of letters', LINGER, [get('/', 'Connection: Foo, CLOSE'), closed]),
  row('proxy-connection: close counts', LINGER, [get('/', 'proxy-connection: close'), closed]),
  {
    ...row('an early answer ends the connection', {}, [
      `${post('content-length: 100')}abc`,
      closed,
    ]),
    config: { hcm: LINGER, routes: DIRECT },
  },
  {
    ...row('so does one to a chunked request', {}, [
      `${post('transfer-encoding: chunked')}3\r\nabc\r\n`,
      closed,
    ]),
    config: { hcm: LINGER, routes: DIRECT },
  },
  row(
    'a client that ends its side has gone',
    {},
    [get(), { upstreamGets: 'host' }, { end: true }, closed],
    {
      ...NEVER,
      expect: { log: / 0 DC downstream_remote_disconnect / },
    },
  ),
  row('also in the middle of a head', {}, ['GET / HT', pause(50), { end: true }, closed], {
    expect: { log: / - - - 0 DC downstream_remote_disconnect / },
  }),
  row('also in the middle of a body', {}, [
    HALF_BODY,
    { upstreamGets: '\r\n\r\na' },
    { end: true },
    closed,
  ]),
  row('stream errors may leave the connection', { stream_error_on_invalid_http_message: true }, [
    `GET / HTTP/1.1\r\n\r\n${get()}`,
    { responses: 2 },
  ]),
  row('a 404 leaves it anyway', {}, [get('/1') + get('/2'), { responses: 2 }], {
    config: { routes: [] },
  }),
  row('a response that breaks off ends it', {}, [get(), closed], {
    upstream: ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ'],
  }),
  row('100 Continue is counted as a response', {}, [
    post('expect: 100-continue', 'content-length: 2'),
    { until: '100 Continue\r\n\r\n' },
    'ab',
    { responses: 1 },
  ]),
  row('so is one of the upstream', { proxy_100_continue: true }, [get(), { responses: 1 }], {
    upstream:
      'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
  }),
];

const UPGRADES = { upgrade_configs: [{ upgrade_type: 'websocket' }] };
const UPGRADE = get('/', 'connection: upgrade', 'upgrade: websocket');
const upgrades: readonly Row[] = [
  row('an upgrade that is not allowed', {}, [UPGRADE, closed]),
  row('an upgrade without a route', {}, [UPGRADE, closed], { config: { routes: [] } }),
  row('an upgrade is counted when it is asked for', UPGRADES, [UPGRADE, { responses: 1 }], {
    upstream: 'HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n',
  }),
  row('the end of a tunnel', UPGRADES, [UPGRADE, { heads: 1 }, pause(50), { end: true }, closed], {
    upstream: [
      'HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
      { tunnel: true },
    ],
  }),
  row('CONNECT that is not allowed', {}, ['CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n', closed]),
];

export const suite = await differential(
  import.meta.url,
  {
    stats: [
      // Not the bytes: what a response took is among them.
      ...['d', 'h', 'i', 'm', 'p', 'total', 'u'].map(
        (start) => `http.CASE.downstream_cx_${start}*`,
      ),
      'http.CASE.downstream_rq_*',
      'listener.CASE.http.*',
    ],
    config: { listener: { stat_prefix: 'CASE' } },
  },
  [...streams, ...connections, ...ends, ...upgrades],
);
