// The PROXY protocol beside Envoy: read from clients, written to upstreams, both versions.
import { differential } from '../differential.ts';
import { extension, fileLog, tcp } from '../tcp.ts';
import type { CaseConfig, Json, Upstream } from '../row.ts';

const echo: Upstream = {
  serve: (socket, _say, hear) =>
    void socket.on('data', (bytes: Buffer) => {
      hear(bytes);
      socket.write(bytes);
    }),
};

const LOG =
  '%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_ADDRESS% %RESPONSE_FLAGS% [%DYNAMIC_METADATA(envoy.filters.listener.proxy_protocol)%]';

/** The listener's log only where no session has one: Envoy writes them in no fixed order. */
const reads = (fields: Json = {}, refused = false): CaseConfig =>
  tcp(
    { access_log: refused ? [] : [fileLog(LOG)] },
    {
      listener_filters: [
        extension(
          'envoy.filters.listener.proxy_protocol',
          'filters.listener.proxy_protocol.v3.ProxyProtocol',
          { stat_prefix: 'CASE', ...fields },
        ),
      ],
      access_log: refused ? [fileLog('listener %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%')] : [],
    },
  );

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';
/** `more`: TLVs. */
const v2 = (more = '', head = '\x21\x11'): string => {
  const body = `\x0a\x01\x02\x03\x0a\x04\x05\x06\x13\x88\x00\x50${more}`;
  return `${SIGNATURE}${head}${String.fromCharCode(body.length >> 8, body.length & 255)}${body}`;
};
const tlv = (type: number, value: string): string =>
  String.fromCharCode(type, value.length >> 8, value.length & 255) + value;

const writes = (config: Json, more: Json = {}, listener: Json = {}): CaseConfig => ({
  ...tcp({ access_log: [], ...more }, listener),
  clusters: {
    up: {
      transport_socket: extension(
        'envoy.transport_sockets.upstream_proxy_protocol',
        'transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport',
        {
          config,
          transport_socket: extension(
            'envoy.transport_sockets.raw_buffer',
            'transport_sockets.raw_buffer.v3.RawBuffer',
          ),
        },
      ),
    },
  },
});

const reading = (fields: Json = {}): Json => ({
  listener_filters: [
    extension(
      'envoy.filters.listener.proxy_protocol',
      'filters.listener.proxy_protocol.v3.ProxyProtocol',
      fields,
    ),
  ],
});

/** Ports of a loopback connection vary. */
const PORTS: [RegExp, string][] = [
  [/127\.0\.0\.1 127\.0\.0\.1 \d+ \d+/g, '127.0.0.1 127.0.0.1 P P'],
  [/(\x7f\0\0\x01\x7f\0\0\x01)[^]{4}/g, '$1PPPP'],
];
const STATS = ['proxy_proto.CASE.*', 'listener.*proxy_proto*', 'tcp.CASE.downstream_cx_total'];

const b64 = (text: string): string => Buffer.from(text).toString('base64');
const ADDED = [{ type: 0xd1, value: b64('added') }];
const policy = (name: string): Json => ({
  proxy_protocol_tlvs: [...ADDED, { type: 0xd1, value: b64('twice') }],
  proxy_protocol_tlv_merge_policy: name,
});
/** What the cluster and tcp_proxy say; whether a header comes in. */
const TLV_ROWS: readonly (readonly [name: string, cluster: Json, proxy: Json, reads: boolean])[] = [
  ['alone', {}, { proxy_protocol_tlvs: ADDED }, false],
  [
    'that the cluster does not pass',
    { pass_through_tlvs: undefined },
    { proxy_protocol_tlvs: ADDED },
    false,
  ],
  [
    'that the cluster adds too',
    { added_tlvs: [{ type: 0xd1, value: b64('of the cluster') }] },
    { proxy_protocol_tlvs: ADDED },
    false,
  ],
  [
    'made by formats',
    {},
    {
      proxy_protocol_tlvs: [
        {
          type: 0xd1,
          format_string: {
            text_format_source: {
              inline_string:
                'from %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_CLUSTER% [%REQ(x)%]',
            },
          },
        },
      ],
    },
    false,
  ],
  ['without a policy, where a header came', {}, { proxy_protocol_tlvs: ADDED }, true],
  ['only where none came', {}, policy('ADD_IF_ABSENT'), true],
  ['over those that came', {}, policy('OVERWRITE_BY_TYPE_IF_EXISTS_OR_ADD'), true],
  ['behind those that came', {}, policy('APPEND_IF_EXISTS_OR_ADD'), true],
  ['behind none', {}, policy('APPEND_IF_EXISTS_OR_ADD'), false],
  ['over none', {}, policy('OVERWRITE_BY_TYPE_IF_EXISTS_OR_ADD'), false],
];

const ends = ['x', { upstreamGets: 'x' }, { close: true }] as const;

export const suite = await differential(import.meta.url, { stats: STATS }, [
  {
    name: 'version 1 over IPv4',
    config: reads(),
    client: ['PROXY TCP4 10.1.2.3 10.4.5.6 5000 80\r\nhello', { until: 'hello' }, { close: true }],
    upstream: echo,
  },
  {
    name: 'version 1 over IPv6',
    config: reads(),
    client: ['PROXY TCP6 1::2 3::4 5000 80\r\nhello', { until: 'hello' }, { close: true }],
    upstream: echo,
  },
  {
    name: 'version 1 of nobody',
    config: { ...reads() },
    client: ['PROXY UNKNOWN\r\nhello', { until: 'hello' }, { close: true }],
    upstream: echo,
    stats: ['proxy_proto.CASE.*'],
    mask: [[/127\.0\.0\.1:\d+/g, 'ADDRESS']],
  },
  ...[
    ['ports that are none', 'PROXY TCP4 10.1.2.3 10.4.5.6 66000 80\r\n'],
    ['a family that it is not', 'PROXY TCP4 1::2 3::4 5000 80\r\n'],
    ['words missing', 'PROXY TCP4 10.1.2.3\r\n'],
    ['a word too many', 'PROXY TCP4 10.1.2.3 10.4.5.6 5000 80 9\r\n'],
    ['an unknown protocol', 'PROXY UDP4 10.1.2.3 10.4.5.6 5000 80\r\n'],
    ['a line without end', `PROXY ${'x'.repeat(200)}`],
  ].map(([what, text]) => ({
    name: `version 1 with ${what}`,
    config: reads({}, true),
    client: [text!, { closed: true as const }],
    upstream: echo,
  })),
  {
    name: 'no header',
    config: reads({}, true),
    client: ['GET / HTTP/1.1\r\n\r\n', { closed: true }],
    upstream: echo,
  },
  {
    name: 'no header where that is allowed',
    config: reads({ allow_requests_without_proxy_protocol: true }),
    client: ['GET / HTTP/1.1\r\n\r\n', { until: '\r\n\r\n' }, { close: true }],
    upstream: echo,
    mask: [[/127\.0\.0\.1:\d+/g, 'ADDRESS']],
  },
  {
    name: 'version 2 over IPv4, with TLVs that rules name',
    config: reads({
      rules: [
        { tlv_type: 2, on_tlv_present: { key: 'authority' } },
        { tlv_type: 3, on_tlv_present: { key: 'missing' } },
      ],
    }),
    client: [
      `${v2(tlv(2, 'example.com') + tlv(5, 'x'))}hello`,
      { until: 'hello' },
      { close: true },
    ],
    upstream: echo,
  },
  {
    name: 'version 2 with a TLV that is no text',
    config: reads({ rules: [{ tlv_type: 2, on_tlv_present: { key: 'k' } }] }),
    client: [`${v2(tlv(2, 'a\xffb'))}hello`, { until: 'hello' }, { close: true }],
    upstream: echo,
  },
  {
    name: 'version 2 over IPv6',
    config: reads(),
    client: [
      `${SIGNATURE}\x21\x21\0\x24${'\0'.repeat(15)}\x01${'\0'.repeat(15)}\x02\x13\x88\0\x50hello`,
      { until: 'hello' },
      { close: true },
    ],
    upstream: echo,
  },
  {
    name: 'version 2 of datagrams',
    config: reads(),
    client: [`${v2('', '\x21\x12')}hello`, { until: 'hello' }, { close: true }],
    upstream: echo,
  },
  {
    name: 'version 2 LOCAL keeps the addresses',
    config: reads(),
    client: [`${SIGNATURE}\x20\0\0\0hello`, { until: 'hello' }, { close: true }],
    upstream: echo,
    mask: [[/127\.0\.0\.1:\d+/g, 'ADDRESS']],
  },
  ...[
    ['a version that is none', v2('', '\x31\x11')],
    ['a command that is none', v2('', '\x22\x11')],
    ['no family', v2('', '\x21\x01')],
    ['no transport', v2('', '\x21\x10')],
    ['a family of paths', v2('', '\x21\x31')],
    ['nothing at all', v2('', '\x21\x00')],
    ['too few bytes for its addresses', `${SIGNATURE}\x21\x11\0\x04\x0a\x01\x02\x03`],
    ['a TLV beyond the end', v2('\x02\0\xffab')],
  ].map(([what, text]) => ({
    name: `version 2 with ${what}`,
    config: reads({}, true),
    client: [text!, { closed: true as const }],
    upstream: echo,
  })),
  {
    name: 'version 2 is not allowed',
    config: reads({ disallowed_versions: ['V2'] }, true),
    client: [v2(), { closed: true }],
    upstream: echo,
  },
  {
    name: 'version 1 is not allowed',
    config: reads({ disallowed_versions: ['V1'] }, true),
    client: ['PROXY TCP4 10.1.2.3 10.4.5.6 5000 80\r\n', { closed: true }],
    upstream: echo,
  },
  {
    name: 'a client that goes within its header',
    config: reads({}, true),
    client: ['PROXY TCP4 10.1', { end: true }, { closed: true }],
    upstream: echo,
  },
  {
    name: 'version 1 goes upstream',
    config: writes({ version: 'V1' }),
    client: [...ends],
    upstream: [],
    mask: PORTS,
  },
  {
    name: 'version 2 goes upstream',
    config: writes({ version: 'V2' }),
    client: [...ends],
    upstream: [],
    mask: PORTS,
  },
  {
    name: 'what came in goes out, TLVs too',
    config: writes(
      { version: 'V2', pass_through_tlvs: { match_type: 'INCLUDE', tlv_type: [5] } },
      {},
      reading({ pass_through_tlvs: { match_type: 'INCLUDE_ALL' } }),
    ),
    client: [v2(tlv(2, 'no') + tlv(5, 'yes')), ...ends],
    upstream: [],
  },
  {
    name: 'TLVs that the cluster adds',
    config: writes({
      version: 'V2',
      added_tlvs: [{ type: 9, value: Buffer.from('v').toString('base64') }],
    }),
    client: [...ends],
    upstream: [],
    mask: PORTS,
  },
  ...TLV_ROWS.map(([name, cluster, proxy, reads]) => ({
    name: `TLVs of tcp_proxy ${name}`,
    config: writes(
      { version: 'V2', pass_through_tlvs: { match_type: 'INCLUDE_ALL' }, ...cluster },
      proxy,
      reads ? reading({ pass_through_tlvs: { match_type: 'INCLUDE_ALL' } }) : {},
    ),
    client: [...(reads ? [v2(tlv(5, 'came') + tlv(0xd1, 'came'))] : []), ...ends],
    upstream: [],
    mask: reads ? [] : PORTS,
  })),
  {
    name: 'a header before requests',
    config: {
      clusters: writes({ version: 'V1' }).clusters!,
    },
    client: ['GET / HTTP/1.1\r\nhost: h\r\n\r\n', { responses: 1 }, { close: true }],
    upstream: {
      serve: (socket, say) =>
        void socket.on('data', (bytes: Buffer) => {
          const first = bytes.toString('latin1').split('\r\n', 1)[0]!;
          if (first.startsWith('PROXY')) say(first);
          if (bytes.includes('GET')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
        }),
    },
    mask: PORTS,
  },
]);
