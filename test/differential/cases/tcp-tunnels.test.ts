// tunneling_config beside Envoy: TCP as the body of CONNECT or POST over HTTP/1.
import { createServer } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';

import { differential } from '../differential.ts';
import { extension, filters, tcp, tcpProxy } from '../tcp.ts';
import type { Json, Upstream } from '../row.ts';

const tunnel = (fields: Json = {}, more: Json = {}): ReturnType<typeof tcp> =>
  tcp({ tunneling_config: { hostname: 'far.example:443', ...fields }, ...more });

/** Answers the head, then echoes in capitals. */
const proxy = (answer: string): Upstream => ({
  serve: (socket, say) => {
    let head = true;
    let got = '';
    socket.on('data', (bytes: Buffer) => {
      const text = bytes.toString('latin1');
      got += text;
      if (head && got.includes('\r\n\r\n')) {
        head = false;
        say(got);
        socket.write(answer);
      } else if (!head) {
        say(text);
        socket.write(text.toUpperCase());
      }
    });
    socket.on('end', () => {
      say('<fin>');
      socket.end();
    });
    socket.on('error', () => say('<reset>'));
  },
});

/** The same over HTTP/2. */
const proxy2 = (status: number): Upstream => ({
  serve: (socket, say) => {
    const server = createServer();
    server.on('stream', (stream: ServerHttp2Stream, headers) => {
      const lines = [':method', ':authority', ':path', ':scheme', 'x-a'].map(
        (name) => `${name}=${String(headers[name] ?? '-')}`,
      );
      say(lines.join(' '));
      stream.on('error', () => {});
      stream.respond({ ':status': status }, { endStream: status !== 200 });
      stream.on('data', (bytes: Buffer) => stream.write(bytes.toString().toUpperCase()));
      stream.on('end', () => stream.end());
    });
    server.emit('connection', socket);
  },
});

const HTTP2 = {
  clusters: {
    up: {
      typed_extension_protocol_options: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
          '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
          explicit_http_config: { http2_protocol_options: {} },
        },
      },
    },
  },
};

const OK = 'HTTP/1.1 200 OK\r\n\r\n';
const talks = ['hello', { until: 'HELLO' }, { close: true }] as const;
const STATS = [
  'tcp.CASE.*',
  'cluster.CASE-up.upstream_cx_total',
  'cluster.CASE-up.upstream_cx_connect_attempts_exceeded',
];

export const suite = await differential(import.meta.url, { stats: STATS }, [
  { name: 'bytes through CONNECT', config: tunnel(), client: [...talks], upstream: proxy(OK) },
  {
    name: 'headers and a host by format',
    config: tunnel({
      hostname: '%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%:9',
      headers_to_add: [
        { header: { key: 'x-a', value: '1' } },
        { header: { key: 'x-b', value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%' } },
      ],
    }),
    client: [...talks],
    upstream: proxy(OK),
  },
  {
    name: 'refused with 403',
    config: tunnel(),
    client: [{ closed: true }],
    upstream: proxy('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n'),
  },
  {
    name: 'refused with 403, twice',
    config: tunnel({}, { max_connect_attempts: 2 }),
    client: [{ closed: true }],
    upstream: proxy('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n'),
  },
  {
    name: 'a 201 opens a tunnel, too',
    config: tunnel(),
    client: [...talks],
    upstream: proxy('HTTP/1.1 201 Created\r\n\r\n'),
  },
  {
    name: 'nobody listens',
    config: tunnel(),
    client: [{ closed: true }],
    upstream: { refuses: true },
  },
  {
    name: 'no tunnel where filter state says so',
    config: filters([
      extension('set', 'filters.network.set_filter_state.v3.Config', {
        on_new_connection: [
          {
            object_key: 'envoy.tcp_proxy.disable_tunneling',
            format_string: { text_format_source: { inline_string: 'true' } },
          },
        ],
      }),
      tcpProxy({ tunneling_config: { hostname: 'far.example:443' } }),
    ]),
    client: ['x', { upstreamGets: 'x' }, { close: true }],
    upstream: [],
  },
  {
    name: 'bytes through POST',
    uncut: 'each piece that comes is a chunk',
    config: tunnel({ use_post: true, post_path: '/p' }),
    client: ['hello', { upstreamGets: 'hello' }, { close: true }],
    upstream: {
      serve: (socket, say) => {
        socket.on('data', (bytes: Buffer) => {
          const text = bytes.toString('latin1');
          say(text.startsWith('POST') ? text.split('\r\n', 1)[0]! : text);
          if (text.startsWith('POST'))
            socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nyes\r\n');
        });
        socket.on('error', () => {});
      },
    },
  },
  {
    name: 'bytes through CONNECT over HTTP/2',
    config: { ...tunnel({ headers_to_add: [{ header: { key: 'x-a', value: '1' } }] }), ...HTTP2 },
    client: ['hello', { until: 'HELLO' }, { end: true }, { closed: true }],
    upstream: proxy2(200),
  },
  {
    name: 'refused over HTTP/2',
    config: { ...tunnel(), ...HTTP2 },
    client: [{ closed: true }],
    upstream: proxy2(503),
  },
  {
    name: 'bytes through POST over HTTP/2',
    config: { ...tunnel({ use_post: true, post_path: '/p' }), ...HTTP2 },
    client: ['hello', { until: 'HELLO' }, { end: true }, { closed: true }],
    upstream: proxy2(200),
  },
  {
    name: 'the far side ends',
    config: tunnel(),
    client: [{ until: 'bye' }, { closed: true }],
    upstream: {
      serve: (socket) => {
        socket.on('error', () => {});
        socket.once('data', () => socket.end(`${OK}bye`));
      },
    },
  },
]);
