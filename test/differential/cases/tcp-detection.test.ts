// Detection beside Envoy: which chain first bytes choose, what ends a connection before it has one.
import { differential } from '../differential.ts';
import { extension, fileLog, tcpProxy } from '../tcp.ts';
import type { CaseConfig, Json } from '../row.ts';

const TLS = extension(
  'envoy.filters.listener.tls_inspector',
  'filters.listener.tls_inspector.v3.TlsInspector',
);
const HTTP = extension(
  'envoy.filters.listener.http_inspector',
  'filters.listener.http_inspector.v3.HttpInspector',
);

const chain = (name: string, match: Json): Json => ({
  name,
  filter_chain_match: match,
  filters: [
    tcpProxy({
      cluster: `CASE-${name}`,
      access_log: [fileLog('%FILTER_CHAIN_NAME% %REQUESTED_SERVER_NAME% %TLS_JA3_FINGERPRINT%')],
    }),
  ],
});

/** As istiod's virtualInbound: TLS, plain HTTP, anything else. */
const detecting = (inspectors: readonly Json[], more: Json = {}): CaseConfig => ({
  listener: {
    listener_filters: inspectors,
    listener_filters_timeout: '0s',
    filter_chains: [
      chain('tls', { transport_protocol: 'tls' }),
      chain('http', {
        transport_protocol: 'raw_buffer',
        application_protocols: ['http/1.1', 'h2c'],
      }),
    ],
    default_filter_chain: {
      name: 'other',
      filters: [tcpProxy({ cluster: 'CASE-other', access_log: [fileLog('%FILTER_CHAIN_NAME%')] })],
    },
    ...more,
  },
});

const UPSTREAMS = { tls: [], http: [], other: [] } as const;
const to = (at: keyof typeof UPSTREAMS, bytes: string): readonly object[] => [
  { upstreamGets: bytes, at },
  { close: true },
];

/** A hello for `example.com`, with what JA3 looks at. */
function hello(): string {
  const u16 = (n: number): string => String.fromCharCode(n >> 8, n & 255);
  const ext = (type: number, body: string): string => u16(type) + u16(body.length) + body;
  const name = 'Example.com';
  const sni = '\0' + u16(name.length) + name;
  const alpn = '\x02h2\x08http/1.1';
  const extensions =
    ext(0, u16(sni.length) + sni) +
    ext(0x0a0a, '') +
    ext(10, u16(6) + u16(0x1a1a) + u16(29) + u16(23)) +
    ext(11, '\x02\0\x01') +
    ext(16, u16(alpn.length) + alpn) +
    ext(43, '\x04\x03\x04\x03\x03');
  const suites = u16(0x2a2a) + u16(0x1301) + u16(0xc02f);
  const body =
    '\x03\x03' +
    'r'.repeat(32) +
    '\0' +
    u16(suites.length) +
    suites +
    '\x01\0' +
    u16(extensions.length) +
    extensions;
  const message = '\x01\0' + u16(body.length) + body;
  return `\x16\x03\x01${u16(message.length)}${message}`;
}

const GET = 'GET / HTTP/1.1\r\nhost: h\r\n\r\n';
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const BOTH = [TLS, HTTP];
const STATS = ['listener.*filter*', 'tls_inspector.nothing'];

export const suite = await differential(import.meta.url, { stats: STATS }, [
  ...(
    [
      ['an HTTP/1.1 request', GET, 'http'],
      ['an HTTP/1.0 request', 'GET / HTTP/1.0\r\n\r\n', 'other'],
      ['the preface of HTTP/2', PREFACE, 'http'],
      ['almost the preface of HTTP/2', 'PRI * HTTP/2.1\r\n\r\n', 'other'],
      ['bytes of nobody', '\x01\x02\x03\r\n', 'other'],
      ['a line of text', 'EHLO me\r\n', 'other'],
      ['a method in small letters', 'get / HTTP/1.1\r\n\r\n', 'http'],
      ['a client hello', hello(), 'tls'],
    ] as const
  ).map(([what, bytes, at]) => ({
    name: what,
    config: detecting(BOTH),
    client: [bytes, ...to(at, bytes.slice(0, 3))] as never,
    upstream: [],
    upstreams: UPSTREAMS,
  })),
  {
    name: 'a hello that is no hello',
    config: detecting(BOTH),
    client: [`\x16\x03\x01\0\x05\x02\0\0\x01x\r\n`, { pauseMs: 80 }, { close: true }],
    upstreams: UPSTREAMS,
  },
  {
    name: 'a hello that is too long',
    config: detecting(BOTH),
    client: [
      `\x16\x03\x01\x40\0\x01\0\xff\xff${'x'.repeat(16_380)}`,
      { pauseMs: 80 },
      { close: true },
    ],
    upstreams: UPSTREAMS,
  },
  {
    name: 'a client that ends its side without a word',
    config: detecting(BOTH),
    client: [{ end: true }, { closed: true }],
    upstreams: UPSTREAMS,
  },
  {
    name: 'a client that ends its side within its first line',
    config: detecting(BOTH),
    client: ['GET / HT', { end: true }, { closed: true }],
    upstreams: UPSTREAMS,
  },
  {
    name: 'a client that is silent until the time-out, and goes on',
    config: detecting(BOTH, {
      listener_filters_timeout: '0.08s',
      continue_on_listener_filters_timeout: true,
    }),
    client: [{ pauseMs: 160 }, GET, ...to('other', 'GET')] as never,
    upstreams: UPSTREAMS,
    uncut: 'the time-out is for whole bytes',
  },
  {
    name: 'a client that is silent until the time-out, and is closed',
    config: detecting(BOTH, { listener_filters_timeout: '0.08s' }),
    client: [{ closed: true }],
    upstreams: UPSTREAMS,
  },
  {
    name: 'a server that speaks first',
    config: detecting(BOTH, { continue_on_listener_filters_timeout: true }),
    client: [{ pauseMs: 400 }, { close: true }],
    upstreams: { ...UPSTREAMS, other: { onConnect: ['220 hi\r\n'], answers: [[]] } },
    differs: {
      envoy: 'waits for the client for ever',
      ours: 'asks the server after 0.1 s, and passes its greeting on',
      reason: 'MySQL, SMTP and others greet their clients, who wait for it (ADR 10)',
      where: ['client', 'upstream', 'log'],
    },
  },
  {
    name: 'fingerprints of client hellos',
    config: detecting([
      extension(
        'envoy.filters.listener.tls_inspector',
        'filters.listener.tls_inspector.v3.TlsInspector',
        { enable_ja3_fingerprinting: true },
      ),
    ]),
    client: [hello(), ...to('tls', '\x16\x03')] as never,
    upstreams: UPSTREAMS,
  },
]);
