// HTTP/1.1 through the whole proxy, between scripted raw peers; rows that end by themselves are also compared with Envoy.
/* oxlint-disable eslint/max-lines -- a table, one row per behaviour */
import t from 'tap';

import {
  ProxyProcess,
  bootstrapOf,
  cluster,
  envoyBinary,
  filterOf,
  httpListener,
  toCluster,
} from '../support/proxy-process.ts';
import { RawPeer, RawUpstream, answerEach } from '../support/raw-peers.ts';
import type { UpstreamScript } from '../support/raw-peers.ts';
import { freePort } from '../support/free-port.ts';

t.setTimeout(120_000);

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const get = (path: string, ...lines: string[]): string =>
  `GET ${path} HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;

const route = (
  prefix: string,
  action: Record<string, unknown>,
  more: Record<string, unknown> = {},
) => ({
  match: { prefix },
  route: { cluster: 'up', ...action },
  ...more,
});

const FAULT = 'filters.http.fault.v3.HTTPFault';
const fault = (config: Record<string, unknown>) => ({
  typed_per_filter_config: {
    'envoy.filters.http.fault': {
      '@type': `type.googleapis.com/envoy.extensions.${FAULT}`,
      ...config,
    },
  },
});
const always = { numerator: 100, denominator: 'HUNDRED' };

const WEBSOCKET = { upgrade_configs: [{ upgrade_type: 'websocket' }] };

const bootstrap = (upstream: number, dead: number) =>
  bootstrapOf(
    [
      httpListener(
        'l',
        [
          {
            match: { prefix: '/direct' },
            direct_response: { status: 200, body: { inline_string: 'hi' } },
          },
          { match: { prefix: '/dead' }, route: { cluster: 'dead' } },
          { match: { prefix: '/empty' }, route: { cluster: 'empty' } },
          { match: { prefix: '/nocluster' }, route: { cluster: 'nonesuch' } },
          route('/slow', { timeout: '0.2s' }),
          route('/retry', {
            retry_policy: {
              retry_on: '5xx',
              num_retries: 2,
              retry_back_off: { base_interval: '0.001s' },
            },
          }),
          route('/pertry', {
            timeout: '5s',
            retry_policy: {
              retry_on: '5xx',
              num_retries: 1,
              per_try_timeout: '0.1s',
              retry_back_off: { base_interval: '0.001s' },
            },
          }),
          route('/delay', {}, fault({ delay: { fixed_delay: '0.1s', percentage: always } })),
          route('/abort', {}, fault({ abort: { http_status: 418, percentage: always } })),
          {
            match: { prefix: '/missing', headers: [{ name: 'x-never', present_match: true }] },
            route: { cluster: 'up' },
          },
          toCluster('up'),
        ],
        {
          hcm: { ...WEBSOCKET, delayed_close_timeout: '0.05s' },
          httpFilters: [filterOf('envoy.filters.http.fault', FAULT)],
        },
      ),
      httpListener('expect', [toCluster('up')], {
        hcm: { proxy_100_continue: true, delayed_close_timeout: '0.05s' },
      }),
      httpListener('ten', [toCluster('up')], {
        hcm: {
          http_protocol_options: { accept_http_10: true, default_host_for_http_10: 'd' },
          delayed_close_timeout: '0.05s',
        },
      }),
      httpListener('edge', [toCluster('up')], { hcm: { use_remote_address: true } }),
      httpListener('edge-hops', [toCluster('up')], {
        hcm: {
          use_remote_address: true,
          xff_num_trusted_hops: 1,
          append_x_forwarded_port: true,
          via: 'v',
        },
      }),
      httpListener('inside', [toCluster('up')], {
        hcm: {
          internal_address_config: { cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] },
          skip_xff_append: true,
          add_user_agent: true,
        },
      }),
      httpListener('trailers', [toCluster('up')], {
        hcm: { http_protocol_options: { enable_trailers: true } },
      }),
    ],
    [
      cluster('up', [upstream], {
        typed_extension_protocol_options: {
          'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
            '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
            explicit_http_config: { http_protocol_options: { enable_trailers: true } },
          },
        },
      }),
      cluster('dead', [dead]),
      cluster('empty', []),
    ],
  );

interface Row {
  readonly name: string;
  readonly listener?: string;
  readonly script?: UpstreamScript | string;
  readonly send: string | readonly string[];
  /** The answer is complete when this was received; undefined: when the proxy closes. */
  readonly until?: string | RegExp;
  readonly expect: RegExp;
  readonly closes?: boolean;
  /** Of the last log line. */
  readonly log?: RegExp;
  /** All that upstreams received. */
  readonly upstream?: RegExp;
  readonly connections?: number;
}

const once =
  (text: string, then: 'fin' | 'reset' | 'stay' = 'stay'): UpstreamScript =>
  (connection) => {
    connection.socket.once('data', () => {
      connection.send(text);
      if (then === 'fin') connection.socket.end();
      if (then === 'reset') setTimeout(() => connection.reset(), 30);
    });
  };

const head = (status: string, ...lines: string[]): string =>
  `HTTP/1.1 ${status}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const PROTOCOL_ERROR = /^HTTP\/1\.1 502 Bad Gateway\r\n[^]*reset reason: protocol error$/;
const chunkedPost = (path: string, body: string): string =>
  `POST ${path} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n${body}`;

const rows: readonly Row[] = [
  {
    name: 'a plain exchange',
    script: OK,
    send: get('/a', 'X-Foo: Bar'),
    until: 'ok',
    expect:
      /^HTTP\/1\.1 200 OK\r\ncontent-length: 2\r\nx-envoy-upstream-service-time: \d+\r\ndate: .*\r\nserver: envoy\r\n\r\nok$/,
    upstream:
      /^GET \/a HTTP\/1\.1\r\nhost: h\r\nx-foo: Bar\r\nx-forwarded-proto: http\r\nx-envoy-expected-rq-timeout-ms: 15000\r\n\r\n$/,
    log: /HTTP\/1\.1 GET 200 - via_upstream/,
  },
  {
    name: 'keep-alive: the connection upstream is used again',
    script: OK,
    send: [get('/1'), get('/2')],
    until: /ok[^]*ok/,
    expect: /ok[^]*ok$/,
    connections: 1,
  },
  {
    name: 'pipelined requests in one packet, answers in order',
    script: answerEach((h) => head('200 OK', 'content-length: 2') + /\/(..) /.exec(h)![1]!),
    send: get('/a1') + get('/b2') + get('/c3') + get('/direct') + get('/d4'),
    until: /d4$/,
    expect: /a1HTTP[^]*b2HTTP[^]*c3HTTP[^]*hiHTTP[^]*d4$/,
    connections: 1,
  },
  {
    name: 'an answer in chunks',
    script: head('200 OK', 'transfer-encoding: chunked') + '3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n',
    send: get('/'),
    until: '0\r\n\r\n',
    expect: /transfer-encoding: chunked\r\n\r\n5?[^]*0\r\n\r\n$/,
  },
  {
    name: 'an answer that ends with its connection',
    script: once(head('200 OK') + 'until the end', 'fin'),
    send: get('/'),
    until: '0\r\n\r\n',
    expect: /transfer-encoding: chunked\r\n\r\nd\r\nuntil the end\r\n0\r\n\r\n$/,
  },
  {
    name: 'a request with a length',
    script: OK,
    send: 'POST /p HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello',
    until: 'ok',
    expect: /^HTTP\/1\.1 200/,
    upstream: /content-length: 5\r\n[^]*\r\n\r\nhello$/,
  },
  {
    name: 'a request in chunks',
    script: answerEach(OK),
    send: chunkedPost('/p', '5;ext=1\r\nhello\r\n0\r\n\r\n'),
    until: 'ok',
    expect: /^HTTP\/1\.1 200/,
    upstream: /transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/,
  },
  {
    name: 'a POST without a body',
    script: OK,
    send: 'POST /p HTTP/1.1\r\nhost: h\r\n\r\n',
    until: 'ok',
    expect: /^HTTP\/1\.1 200/,
    upstream: /content-length: 0\r\n\r\n$/,
  },
  {
    name: 'a GET with a body',
    script: answerEach(OK),
    send: ['GET / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc', get('/next')],
    until: /ok[^]*ok/,
    expect: /ok[^]*ok$/,
    upstream: /\r\n\r\nabc[^]*GET \/next/,
  },
  {
    name: 'HEAD',
    script: head('200 OK', 'content-length: 1234'),
    send: 'HEAD / HTTP/1.1\r\nhost: h\r\n\r\n' + get('/direct'),
    until: /hi$/,
    expect: /content-length: 1234\r\n[^]*\r\n\r\nHTTP\/1\.1 200/,
  },
  {
    name: 'HEAD answered by ourselves',
    send: 'HEAD /direct HTTP/1.1\r\nhost: h\r\n\r\n' + get('/direct'),
    until: /hi$/,
    expect: /content-length: 2\r\n[^]*\r\n\r\nHTTP\/1\.1 200/,
  },
  {
    name: '204',
    script: head('204 No Content'),
    send: get('/') + get('/direct'),
    until: /hi$/,
    expect: /^HTTP\/1\.1 204 No Content\r\n(?:[^\r]+\r\n)+\r\nHTTP\/1\.1 200/,
  },
  {
    name: '304 with a length',
    script: head('304 Not Modified', 'content-length: 77'),
    send: get('/') + get('/direct'),
    until: /hi$/,
    expect: /^HTTP\/1\.1 304 Not Modified\r\ncontent-length: 77\r\n[^]*\r\n\r\nHTTP\/1\.1 200/,
  },
  {
    name: 'an answer with an empty body',
    script: head('200 OK', 'content-length: 0'),
    send: get('/') + get('/direct'),
    until: /hi$/,
    expect: /^HTTP\/1\.1 200 OK\r\ncontent-length: 0\r\n/,
  },
  {
    name: 'connection: close of the client',
    script: OK,
    send: get('/', 'Connection: close'),
    expect: /connection: close\r\n\r\nok$/,
    closes: true,
    connections: 1,
  },
  {
    name: 'an absolute target',
    script: OK,
    send: 'GET http://other/x?y HTTP/1.1\r\nhost: h\r\n\r\n',
    until: 'ok',
    expect: /200/,
    upstream: /^GET \/x\?y HTTP\/1\.1\r\nhost: other\r\n/,
  },
  {
    name: 'fields named by connection',
    script: OK,
    send: get(
      '/',
      'Connection: keep-alive, x-hop',
      'X-Hop: 1',
      'Keep-Alive: 5',
      'TE: gzip, trailers',
    ),
    until: 'ok',
    expect: /200/,
    upstream: /^(?!.*x-hop)(?!.*keep-alive)[^]*te: trailers/i,
  },
  {
    name: 'hop-by-hop fields of the answer',
    script:
      head(
        '200 OK',
        'content-length: 2',
        'connection: keep-alive, x-hop',
        'keep-alive: 5',
        'proxy-connection: x',
      ) + 'ok',
    send: get('/'),
    until: 'ok',
    expect: /^(?![^]*\r\nkeep-alive)(?![^]*\r\nproxy-connection)(?![^]*\r\nconnection)[^]*ok$/,
  },
  // 100-continue and other interim answers
  {
    name: 'expect: answered by ourselves',
    script: (c) => void c.socket.on('data', (d: Buffer) => d.includes('abc') && c.send(OK)),
    send: [
      'POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n',
      'abc',
    ],
    until: 'ok',
    expect: /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/,
    upstream: /^(?![^]*expect:)[^]*abc$/,
  },
  {
    name: 'expect: passed on',
    listener: 'expect',
    script: (c) =>
      void c.socket.on('data', (d: Buffer) =>
        c.send(d.includes('abc') ? OK : head('100 Continue')),
      ),
    send: [
      'POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n',
      'abc',
    ],
    until: 'ok',
    expect: /^HTTP\/1\.1 100 Continue\r\n[^]*HTTP\/1\.1 200 OK/,
    upstream: /expect: 100-continue/,
  },
  {
    name: 'interim answers of the upstream, swallowed',
    script: head('103 Early Hints', 'link: x') + head('100 Continue') + OK,
    send: get('/'),
    until: 'ok',
    expect: /^HTTP\/1\.1 200 OK/,
  },
  {
    name: 'one interim answer of the upstream, passed on',
    listener: 'expect',
    script: head('103 Early Hints', 'link: x') + OK,
    send: get('/'),
    until: 'ok',
    expect: /^HTTP\/1\.1 103 [^]*HTTP\/1\.1 200 OK/,
  },
  {
    name: 'a flood of interim answers',
    script: head('102 Processing').repeat(100) + OK,
    send: get('/'),
    until: 'error',
    expect: PROTOCOL_ERROR,
  },
  {
    name: '101 that nobody asked for',
    script: head('101 Switching Protocols', 'upgrade: websocket', 'connection: upgrade'),
    send: get('/'),
    until: 'error',
    expect: PROTOCOL_ERROR,
  },
  // HTTP/1.0
  {
    name: 'HTTP/1.0',
    listener: 'ten',
    script: OK,
    send: 'GET / HTTP/1.0\r\n\r\n',
    expect: /^HTTP\/1\.0 200 OK\r\n[^]*connection: close\r\n\r\nok$/,
    closes: true,
    upstream: /^GET \/ HTTP\/1\.1\r\nhost: d\r\n/,
  },
  {
    name: 'HTTP/1.0 kept alive',
    listener: 'ten',
    script: OK,
    send: [
      'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
      'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
    ],
    until: /ok[^]*ok/,
    expect: /connection: keep-alive\r\n\r\nok[^]*ok$/,
  },
  {
    name: 'HTTP/1.0 and an answer in chunks',
    listener: 'ten',
    script: head('200 OK', 'transfer-encoding: chunked') + '3\r\nabc\r\n0\r\n\r\n',
    send: 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
    expect: /^HTTP\/1\.0 200 OK\r\n(?![^]*chunked)[^]*\r\n\r\nabc$/,
    closes: true,
  },
  {
    name: 'HTTP/1.0 chunked',
    listener: 'ten',
    script: answerEach(OK),
    send: 'POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    expect: /connection: close/,
    closes: true,
  },
  {
    name: 'HTTP/1.0 upstream',
    script: once('HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok'),
    send: [get('/1'), get('/2')],
    until: /ok[^]*ok/,
    expect: /ok[^]*ok$/,
    connections: 2,
  },
  {
    name: 'connection: close upstream',
    script: head('200 OK', 'connection: close', 'content-length: 2') + 'ok',
    send: [get('/1'), get('/2')],
    until: /ok[^]*ok/,
    expect: /ok[^]*ok$/,
    connections: 2,
  },
  // trailers
  {
    name: 'trailers, both sides enabled',
    listener: 'trailers',
    script: answerEach(
      head('200 OK', 'transfer-encoding: chunked') + '2\r\nok\r\n0\r\nx-down: 1\r\n\r\n',
    ),
    send: chunkedPost('/', '1\r\na\r\n0\r\nx-up: 1\r\n\r\n'),
    until: /x-down: 1\r\n\r\n$/,
    expect: /x-down: 1\r\n\r\n$/,
    upstream: /0\r\nx-up: 1\r\n\r\n$/,
  },
  {
    name: 'trailers that would frame',
    listener: 'trailers',
    script: answerEach(OK),
    send: chunkedPost(
      '/',
      '1\r\na\r\n0\r\ncontent-length: 5\r\nhost: evil\r\ntransfer-encoding: chunked\r\n\r\n',
    ),
    until: 'ok',
    expect: /200/,
    upstream: /\r\n1\r\na\r\n0\r\n\r\n$/,
  },
  {
    name: 'trailers that are not enabled',
    script: answerEach(OK),
    send: [chunkedPost('/', '1\r\na\r\n0\r\nx-up: 1\r\n\r\n'), get('/2')],
    until: /ok[^]*ok/,
    expect: /ok[^]*ok$/,
    upstream: /\r\n1\r\na\r\n0\r\n\r\nGET/,
  },
  // replies of our own
  {
    name: 'no route',
    send: 'GET / HTTP/1.1\r\nhost: h\r\n\r\n'.replace('GET /', 'GET /nocluster'),
    until: /\r\n\r\n/,
    expect: /^HTTP\/1\.1 503 Service Unavailable/,
    log: /503 NC cluster_not_found/,
  },
  {
    name: 'no healthy upstream',
    send: get('/empty'),
    until: 'no healthy upstream',
    expect: /^HTTP\/1\.1 503/,
    log: /503 UH no_healthy_upstream/,
  },
  {
    name: 'a refused connect',
    send: get('/dead'),
    until: 'remote connection failure',
    expect: /^HTTP\/1\.1 503 Service Unavailable\r\n[^]*reset reason: remote connection failure$/,
    log: /503 (URX,)?UF upstream_reset_before_response_started/,
  },
  {
    name: 'a route time-out',
    script: () => {},
    send: get('/slow'),
    until: 'upstream request timeout',
    expect: /^HTTP\/1\.1 504 Gateway Timeout\r\n[^]*upstream request timeout$/,
    log: /504 UT response_timeout/,
  },
  {
    name: 'retries that help',
    script: answerEach(head('503 No', 'content-length: 0')),
    send: get('/retry'),
    until: /\r\n\r\n/,
    expect: /^HTTP\/1\.1 503/,
    log: /503 URX via_upstream/,
    upstream: /(GET[^]*){3}/,
  },
  {
    name: 'a per-try time-out',
    script: () => {},
    send: get('/pertry'),
    until: 'timeout',
    expect: /^HTTP\/1\.1 504/,
    connections: 2,
    log: /504 (URX,UT|UT,URX|UT) upstream_per_try_timeout|URX/,
  },
  {
    name: 'a delay',
    script: OK,
    send: get('/delay'),
    until: 'ok',
    expect: /200 OK/,
    log: /200 DI via_upstream/,
  },
  {
    name: 'an abort',
    send: get('/abort'),
    until: 'fault filter abort',
    expect: /^HTTP\/1\.1 418 Unknown/,
    log: /418 FI fault_filter_abort/,
  },
  // upstreams that fail
  {
    name: 'an upstream that closes without an answer',
    script: once('', 'fin'),
    send: get('/'),
    until: 'connection termination',
    expect: /^HTTP\/1\.1 503 [^]*reset reason: connection termination$/,
    log: /503 UC upstream_reset_before_response_started/,
  },
  {
    name: 'an upstream that resets before the answer',
    script: once('', 'reset'),
    send: get('/'),
    until: 'connection termination',
    expect: /^HTTP\/1\.1 503/,
    log: /503 UC/,
  },
  {
    name: 'an upstream that resets within the answer',
    script: once(head('200 OK', 'content-length: 100') + 'part', 'reset'),
    send: get('/'),
    expect: /part$/,
    closes: true,
    log: /200 UPE upstream_reset_after_response_started/,
  },
  {
    name: 'an upstream that ends early within a length',
    script: once(head('200 OK', 'content-length: 100') + 'part', 'fin'),
    send: get('/'),
    expect: /part$/,
    closes: true,
    log: /200 UPE upstream_reset_after_response_started/,
  },
  {
    name: 'an upstream that ends early within chunks',
    script: once(head('200 OK', 'transfer-encoding: chunked') + '9\r\npart', 'fin'),
    send: get('/'),
    expect: /part\r\n$/,
    closes: true,
    log: /200 UPE upstream_reset_after_response_started/,
  },
  ...[
    ['garbage', 'garbage\r\n\r\n'],
    ['a version that is none', 'HTTP/1.x 200 OK\r\n\r\n'],
    ['a status that is none', 'HTTP/1.1 2000 OK\r\n\r\n'],
    [
      'both framings',
      head('200 OK', 'content-length: 2', 'transfer-encoding: chunked') + '2\r\nok\r\n0\r\n\r\n',
    ],
    ['two lengths', head('200 OK', 'content-length: 2', 'content-length: 3') + 'ok'],
    ['an unknown coding', head('200 OK', 'transfer-encoding: gzip') + 'ok'],
    ['204 with a length', head('204 No Content', 'content-length: 2') + 'ok'],
    ['a header without end over 80 KiB', `HTTP/1.1 200 OK\r\na: ${'b'.repeat(100_000)}\r\n\r\n`],
    ['101 fields', head('200 OK', ...Array.from({ length: 101 }, (_, i) => `a${i}: b`))],
    ['NUL in a value', head('200 OK', 'a: b\0c')],
  ].map(([name, text]) => ({
    name: `an upstream that sends ${name}`,
    script: once(text!),
    send: get('/'),
    until: 'error',
    expect: PROTOCOL_ERROR,
    log: /502 UPE/,
  })),
  {
    name: 'bytes behind an answer: never used again',
    script: once(`${OK}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison`),
    send: [get('/1'), get('/2')],
    until: /ok[^]*ok/,
    expect: /^(?![^]*poison)[^]*ok$/,
    connections: 2,
  },
  // upgrades
  {
    name: 'an upgrade, early data included',
    script: (c) =>
      void c.socket.once('data', () => {
        c.send(
          `${head('101 Switching Protocols', 'upgrade: websocket', 'connection: upgrade')}first`,
        );
        c.socket.on('data', (d: Buffer) => c.socket.write(d));
      }),
    send: [get('/', 'Connection: Upgrade', 'Upgrade: websocket') + 'early', '-late'],
    until: 'early-late',
    expect: /^HTTP\/1\.1 101 Switching Protocols\r\n[^]*upgrade: websocket\r\n[^]*firstearly-late$/,
  },
  {
    name: 'an upgrade refused by the upstream',
    script: once(head('400 Bad Request', 'content-length: 2') + 'no'),
    send: get('/', 'Connection: Upgrade', 'Upgrade: websocket') + get('/smuggled'),
    expect: /^HTTP\/1\.1 400 Bad Request\r\n[^]*connection: close\r\n\r\nno$/,
    closes: true,
    upstream: /^(?![^]*smuggled)/,
  },
  {
    name: 'an upgrade answered with 200',
    script: once(head('200 OK', 'content-length: 2') + 'no'),
    send: get('/', 'Connection: Upgrade', 'Upgrade: websocket') + get('/smuggled'),
    expect: /^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n/,
    closes: true,
    upstream: /^(?![^]*smuggled)/,
  },
  {
    name: 'an upgrade that is not configured',
    send: get('/', 'Connection: Upgrade', 'Upgrade: foo') + get('/smuggled'),
    expect: /^HTTP\/1\.1 403 Forbidden\r\n[^]*connection: close\r\n/,
    closes: true,
    log: /403 - upgrade_failed/,
    upstream: /^(?![^]*smuggled)/,
  },
  {
    name: 'h2c',
    script: OK,
    send: get('/', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAA'),
    until: 'ok',
    expect: /200 OK/,
    upstream: /^(?![^]*(upgrade|http2))/i,
  },
  {
    name: 'CONNECT without a configuration',
    send: 'CONNECT h:1 HTTP/1.1\r\nhost: h\r\n\r\n',
    expect: /^HTTP\/1\.1 40[34]/,
    closes: true,
  },
  // addresses and trust (envoy-behaviour §1.3, §1.4); the upstream's text is compared with Envoy's
  ...['l', 'edge', 'edge-hops', 'inside'].flatMap((listener) =>
    [
      [],
      ['x-forwarded-for: 10.1.2.3'],
      ['x-forwarded-for: 1.1.1.1, 10.1.2.3', 'x-forwarded-proto: https', 'x-forwarded-port: 1'],
      ['x-forwarded-for: nonsense', 'user-agent: me', 'referer: http://a@b/'],
      [
        'x-envoy-internal: true',
        'x-envoy-max-retries: 1',
        'x-envoy-original-path: /x',
        'x-envoy-downstream-service-node: n2',
        'x-request-id: abc',
      ],
      [
        'te: gzip',
        'keep-alive: 1',
        'proxy-connection: keep-alive',
        'upgrade: foo',
        'x-forwarded-for: 10.1.2.3',
      ],
    ].map((lines, i) => ({
      name: `trust of listener ${listener}, case ${i}`,
      listener,
      script: OK,
      send: get('/', ...lines),
      until: 'ok',
      expect: /^HTTP\/1\.1 200 OK/,
    })),
  ),
  // early answers
  {
    name: 'an answer while the body still flows',
    script: once(head('413 Too Large', 'content-length: 2') + 'no'),
    send: 'POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\npart',
    expect: /^HTTP\/1\.1 413 [^]*connection: close\r\n\r\nno$/,
    closes: true,
  },
];

/** The differential suite (codec-interim, codec-http10, codec-trailers, codec-connections, codec-upstream) says how and why. */
const DIFFERING = new Set([
  'a flood of interim answers',
  '101 that nobody asked for',
  'HTTP/1.0 chunked',
  'trailers that would frame',
  'pipelined requests in one packet, answers in order',
  'an upstream that sends a status that is none',
]);

async function play(proxy: ProxyProcess, upstream: RawUpstream, row: Row): Promise<string> {
  upstream.forget();
  upstream.script =
    typeof row.script === 'string' ? answerEach(row.script) : (row.script ?? (() => {}));
  const peer = await RawPeer.connect(proxy.port(row.listener ?? 'l'));
  try {
    const parts = typeof row.send === 'string' ? [row.send] : row.send;
    for (const [i, part] of parts.entries()) {
      if (i > 0)
        await peer.until(
          `an answer before part ${i}`,
          () => peer.text !== '' || upstream.text.includes('\r\n\r\n'),
        );
      if (i > 0) await new Promise((resolve) => setTimeout(resolve, 30));
      peer.send(part);
    }
    if (row.until !== undefined)
      await peer.until(`${String(row.until)}, got ${JSON.stringify(peer.text.slice(-300))}`, () =>
        typeof row.until === 'string' ? peer.text.includes(row.until) : row.until!.test(peer.text),
      );
    else await peer.ended();
    return peer.text;
  } catch (error) {
    throw new Error(`received ${JSON.stringify(peer.text.slice(-2000))}`, { cause: error });
  } finally {
    peer.close();
  }
}

/** One chunk instead of many: where an answer is cut is nobody's business. */
const joinChunks = (text: string): string => {
  const start = text.indexOf('\r\n\r\n') + 4;
  if (!text.slice(0, start).includes('chunked')) return text;
  return text.slice(0, start) + text.slice(start).replace(/(?:^|\r\n)[0-9a-f]+\r\n/g, '|');
};

/** What may differ between two runs of one row: clocks, and where chunks of an answer are cut. */
const comparable = (text: string): string =>
  joinChunks(text)
    .replaceAll('|', '')
    .replace(/date: [^\r]*/g, 'date: ')
    .replace(/service-time: \d+/g, 'service-time: ')
    .replace(/rq-timeout-ms: \d+/g, 'rq-timeout-ms: ')
    .replace(/forwarded-port: \d{4,}/g, 'forwarded-port: ');

t.test('HTTP/1.1 between raw peers', async (t) => {
  const upstream = await RawUpstream.start(t, () => {});
  const config = bootstrap(upstream.port, await freePort());
  const proxy = await ProxyProcess.start(t, config);
  if (envoyBinary === undefined) t.comment('SKIPPED: comparison with Envoy, ENVOY_BIN is not set');
  const envoy = envoyBinary === undefined ? null : await ProxyProcess.start(t, config, envoyBinary);

  for (const row of rows) {
    await t.test(row.name, async (t) => {
      const logged = (await proxy.log(0)).length;
      const text = await play(proxy, upstream, row);
      t.match(text, row.expect);
      if (row.upstream !== undefined) t.match(upstream.text, row.upstream);
      if (row.connections !== undefined) t.equal(upstream.connections.length, row.connections);
      const line = row.log === undefined ? '' : await proxy.logLine(logged, row.log);
      if (envoy === null || DIFFERING.has(row.name)) return;
      const ours = upstream.text;
      const before = (await envoy.log(0)).length;
      const theirs = await play(envoy, upstream, row);
      t.equal(comparable(text), comparable(theirs), 'answer as Envoy');
      t.equal(comparable(ours), comparable(upstream.text), 'upstream as Envoy');
      if (row.log !== undefined)
        t.equal(line, await envoy.logLine(before, row.log), 'log as Envoy');
    });
  }
  t.ok(proxy.alive, proxy.stderr);
});
