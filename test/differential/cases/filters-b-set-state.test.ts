// set_metadata and set_filter_state: what the access log and later parts of the proxy see of it.
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import type { Json, Row } from '../row.ts';

const STATE = 'envoy.filters.http.set_filter_state';
const STATE_TYPE = 'filters.http.set_filter_state.v3.Config';
const METADATA = 'envoy.filters.http.set_metadata';
const METADATA_TYPE = 'filters.http.set_metadata.v3.Config';

const text = (format: string): Json => ({ text_format_source: { inline_string: format } });
const entry = (factory_key: string, format_string: Json, changes: Json = {}): Json => ({
  object_key: 'k',
  factory_key,
  format_string,
  ...changes,
});
const state = (entries: readonly Json[], changes: Json = {}): Json =>
  filterOf(STATE, STATE_TYPE, { on_request_headers: entries, ...changes });
const perRoute = (name: string, type: string, config: Json): Json => ({
  typed_per_filter_config: {
    [name]: { '@type': `type.googleapis.com/envoy.extensions.${type}`, ...config },
  },
});
const stateOf = (entries: readonly Json[]): Json =>
  perRoute(STATE, STATE_TYPE, { on_request_headers: entries });
const request = (lines: readonly string[] = []): string =>
  `GET /p HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;

const STATE_LOG =
  '%FILTER_STATE(k:PLAIN)%|%FILTER_STATE(k)%|%FILTER_STATE(k:TYPED):1%|%FILTER_STATE(k:FIELD:ip)%|' +
  '%FILTER_STATE(k:FIELD:port)%|%FILTER_STATE(k2:PLAIN)%|%FILTER_STATE(k3:PLAIN)%';

const objects: readonly (readonly [factory: string, values: readonly string[]])[] = [
  ['envoy.string', ['abc', 'a"b']],
  ['envoy.hashable_string', ['abc']],
  ['envoy.bool', ['true', 'False', 'yes', '0', 'x']],
  ['envoy.network.ip', ['1.2.3.4', '2001:DB8:0:0::1', '1.2.3.4:80', 'x']],
  ['envoy.tcp_proxy.cluster', ['c']],
  ['envoy.tcp_proxy.disable_tunneling', ['true', 'yes']],
  [
    'envoy.tcp_proxy.per_connection_idle_timeout_ms',
    ['0123', '18446744073709551615', '18446744073709551616', '-1', '1.5'],
  ],
  ['envoy.ratelimit.hits_addend', ['5', '+5', '4294967296']],
  ['envoy.network.application_protocols', ['h2,http/1.1']],
  ['envoy.network.upstream_server_name', ['x.y']],
  ['envoy.network.upstream_subject_alt_names', ['a,b']],
  [
    'envoy.filters.listener.original_dst.local_ip',
    ['1.2.3.4:80', '[::1]:0', '1.2.3.4', '1.2.3.4:70000'],
  ],
  ['envoy.filters.listener.original_dst.remote_ip', ['1.2.3.4:80']],
  ['envoy.network.transport_socket.original_dst_address', ['1.2.3.4:80']],
  ['envoy.upstream.dynamic_host', ['h']],
  ['envoy.upstream.dynamic_port', ['80', 'x']],
];

const objectRows: readonly Row[] = objects.flatMap(([factory, values]) =>
  values.map((value) => ({
    name: `${factory} of '${value}'`,
    config: { httpFilters: [state([entry(factory, text(value))])] },
    client: request(),
  })),
);

const formats: readonly (readonly [
  name: string,
  entries: readonly Json[],
  lines?: readonly string[],
])[] = [
  ['a format prints a header', [entry('envoy.string', text('a%REQ(x-a)%b'))], ['x-a: v']],
  ['a missing header is a dash', [entry('envoy.string', text('a%REQ(x-a)%b'))]],
  [
    'a missing header is nothing where empty values are omitted',
    [entry('envoy.string', { ...text('a%REQ(x-a)%b'), omit_empty_values: true })],
  ],
  [
    'an empty value makes an object',
    [entry('envoy.string', { ...text('%REQ(x-a)%'), omit_empty_values: true })],
  ],
  [
    'an empty value is skipped where asked',
    [
      entry(
        'envoy.string',
        { ...text('%REQ(x-a)%'), omit_empty_values: true },
        { skip_if_empty: true },
      ),
    ],
  ],
  ['a dash is not empty', [entry('envoy.string', text('%REQ(x-a)%'), { skip_if_empty: true })]],
  ['a cut value', [entry('envoy.string', text('%REQ(x-a):2%'))], ['x-a: vwxyz']],
  [
    'what is known of the stream by then',
    [
      entry(
        'envoy.string',
        text('%RESPONSE_CODE% %ROUTE_NAME% %PROTOCOL% %BYTES_RECEIVED% %RESPONSE_FLAGS%'),
      ),
    ],
  ],
  [
    'the last object of a key stays',
    [entry('envoy.string', text('1')), entry('envoy.string', text('2'))],
  ],
  [
    'a read-only object is replaced, too',
    [entry('envoy.string', text('1'), { read_only: true }), entry('envoy.string', text('2'))],
  ],
  [
    'a value that makes no object leaves the one before',
    [entry('envoy.bool', text('true')), entry('envoy.bool', text('x'))],
  ],
  [
    'an entry sees the objects before it',
    [
      entry('envoy.string', text('1')),
      entry('envoy.string', text('<%FILTER_STATE(k:PLAIN)%>'), { object_key: 'k2' }),
    ],
  ],
];

const formatRows: readonly Row[] = formats.map(([name, entries, lines]) => ({
  name,
  config: { httpFilters: [state(entries)] },
  client: request(lines),
}));

const set = (value: Json, changes: Json = {}): Json => ({
  metadata_namespace: 'n',
  value,
  ...changes,
});
const metadata: readonly (readonly [name: string, config: Json])[] = [
  [
    'all kinds of values',
    { metadata: [set({ a: 1, b: 'x', c: true, d: null, e: [1, '2'], f: { g: 1 }, é: 'ü' })] },
  ],
  ['the deprecated form', { metadata_namespace: 'n', value: { a: 1 } }],
  ['the deprecated form without value', { metadata_namespace: 'n' }],
  [
    'the deprecated form and entries',
    {
      metadata_namespace: 'n',
      value: { a: 1 },
      metadata: [set({ b: 1 }, { allow_overwrite: true })],
    },
  ],
  ['no overwriting', { metadata: [set({ a: 1 }), set({ a: 2, b: 3 })] }],
  [
    'overwriting merges',
    {
      metadata: [
        set({ a: 1, l: [1], s: { x: 1, y: 2 }, t: 1, u: { x: 1 }, z: 'k', v: null }),
        set(
          { a: 2, l: [2], s: { y: 3, w: 4 }, t: 'x', u: [1], b: 3, z: null },
          { allow_overwrite: true },
        ),
      ],
    },
  ],
  ['an empty struct', { metadata: [set({})] }],
];

const metadataRows: readonly Row[] = metadata.map(([name, config]) => ({
  name: `set_metadata: ${name}`,
  config: { httpFilters: [filterOf(METADATA, METADATA_TYPE, config)] },
  client: request(),
  log: '%DYNAMIC_METADATA(n)%',
  stats: ['http.CASE.set_metadata.*'],
}));

export const suite = await differential(import.meta.url, { log: STATE_LOG }, [
  ...objectRows,
  ...formatRows,
  {
    name: 'a JSON format ends in a newline',
    config: {
      httpFilters: [state([entry('envoy.string', { json_format: { b: '%REQ(x-a)%', a: 1 } })])],
    },
    client: request(['x-a: v']),
    log: '%FILTER_STATE(k)%',
  },
  {
    name: 'objects of all levels are set, the most specific last',
    config: {
      httpFilters: [
        state([
          entry('envoy.string', text('filter')),
          entry('envoy.string', text('filter'), { object_key: 'k2' }),
        ]),
      ],
      virtualHost: stateOf([
        entry('envoy.string', text('host')),
        entry('envoy.string', text('host'), { object_key: 'k3' }),
      ]),
      routeMore: stateOf([entry('envoy.string', text('route'))]),
    },
    client: request(),
    expect: { log: /^route\|.*\|filter\|host/ },
  },
  {
    name: 'a route is chosen by an object once the route cache is cleared',
    config: {
      httpFilters: [
        state([entry('envoy.string', text('%REQ(x-a)%'))], { clear_route_cache: true }),
      ],
      routes: [
        {
          match: { prefix: '/', filter_state: [{ key: 'k', string_match: { exact: 'v' } }] },
          direct_response: { status: 201 },
        },
        { match: { prefix: '/' }, direct_response: { status: 202 } },
      ],
    },
    client: request(['x-a: v']),
    expect: { status: 201 },
  },
  {
    name: 'a route is not chosen again while the route cache stays',
    config: {
      httpFilters: [state([entry('envoy.string', text('%REQ(x-a)%'))])],
      routes: [
        {
          match: { prefix: '/', filter_state: [{ key: 'k', string_match: { exact: 'v' } }] },
          direct_response: { status: 201 },
        },
        { match: { prefix: '/' }, direct_response: { status: 202 } },
      ],
    },
    client: request(['x-a: v']),
    expect: { status: 202 },
  },
  {
    name: 'an object says where an original destination cluster goes',
    config: {
      httpFilters: [
        state([
          entry(
            'envoy.network.transport_socket.original_dst_address',
            text('127.0.0.1:%REQ(x-port)%'),
            { object_key: 'envoy.network.transport_socket.original_dst_address' },
          ),
        ]),
      ],
      clusters: {
        up: { type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', load_assignment: null },
      },
    },
    client: request(['x-port: 1']),
    mask: [[/127\.0\.0\.1:1\b/g, 'DEAD']],
    log: '%RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_HOST%',
    expect: { status: 503 },
  },
  ...metadataRows,
  {
    name: 'set_metadata: the most specific level comes after the filter',
    config: {
      httpFilters: [filterOf(METADATA, METADATA_TYPE, { metadata: [set({ filter: 1 })] })],
      virtualHost: perRoute(METADATA, METADATA_TYPE, {
        metadata: [set({ host: 1 }, { allow_overwrite: true })],
      }),
      routeMore: perRoute(METADATA, METADATA_TYPE, {
        metadata: [set({ route: 1 }, { allow_overwrite: true })],
      }),
    },
    client: request(),
    log: '%DYNAMIC_METADATA(n)%',
    expect: { log: /\{"filter":1,"route":1\}/ },
  },
]);
