// The grpc_stats filter: whose calls are counted, under which names, and what it leaves in filter state.
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import type { Json, Row } from '../row.ts';

const stats = (config: Json = {}): Json =>
  filterOf('envoy.filters.http.grpc_stats', 'filters.http.grpc_stats.v3.FilterConfig', config);
const message = (text: string): string => `\0\0\0\0${String.fromCharCode(text.length)}${text}`;
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
const post = (path: string, body: string, type = 'application/grpc'): string =>
  `POST ${path} HTTP/1.1\r\nhost: h\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
const answer = (body: string[], trailers: string): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n${body.map(chunk).join('')}0\r\n${trailers}\r\n`;
const GOOD = answer([message('one'), message('two')], 'grpc-status: 0\r\n');
const call = post('/pkg.Echo/Say', message('hi'));
const allowed = {
  individual_method_stats_allowlist: {
    services: [{ name: 'pkg.Echo', method_names: ['Say', 'Sing'] }],
  },
};

const rows: Row[] = [
  { name: 'no methods', config: { httpFilters: [stats()] }, client: call, upstream: GOOD },
  {
    name: 'all methods',
    config: { httpFilters: [stats({ stats_for_all_methods: true })] },
    client: call,
    upstream: GOOD,
  },
  {
    name: 'all methods, dots replaced',
    config: {
      httpFilters: [
        stats({ stats_for_all_methods: true, replace_dots_in_grpc_service_name: true }),
      ],
    },
    client: call,
    upstream: GOOD,
  },
  {
    name: 'all methods off',
    config: { httpFilters: [stats({ stats_for_all_methods: false })] },
    client: call,
    upstream: GOOD,
  },
  {
    name: 'a listed method',
    config: { httpFilters: [stats(allowed)] },
    client: call,
    upstream: GOOD,
  },
  {
    name: 'a method that is not listed',
    config: { httpFilters: [stats(allowed)] },
    client: post('/pkg.Echo/Shout', message('hi')),
    upstream: GOOD,
  },
  {
    name: 'a listed method, dots replaced',
    config: { httpFilters: [stats({ ...allowed, replace_dots_in_grpc_service_name: true })] },
    client: call,
    upstream: GOOD,
  },
  ...[
    '/pkg.Echo',
    '/',
    '/pkg.Echo/Say/more',
    '/pkg.Echo/',
    '//Say',
    '/pkg.Echo/Say?x=/y',
    '/a/b',
  ].map((path): Row => ({
    name: `all methods, path ${path}`,
    config: { httpFilters: [stats({ stats_for_all_methods: true })] },
    client: post(path, message('hi')),
    upstream: GOOD,
  })),
  {
    name: 'a failing call',
    config: { httpFilters: [stats({ stats_for_all_methods: true })] },
    client: call,
    upstream: answer([], 'grpc-status: 5\r\n'),
  },
  {
    name: 'a status that is no number',
    config: { httpFilters: [stats({ stats_for_all_methods: true })] },
    client: call,
    upstream: answer([], 'grpc-status: abc\r\n'),
    differs: {
      envoy: 'makes a counter of the text that came, and logs -1',
      ours: 'counts known codes only, and logs InvalidCode',
      reason: 'an upstream cannot fill memory with names (attack checklist)',
      where: ['stats', 'log'],
    },
  },
  {
    name: 'a status nobody knows',
    config: { httpFilters: [stats({ stats_for_all_methods: true })] },
    client: call,
    upstream: answer([], 'grpc-status: 99\r\n'),
    differs: {
      envoy: 'makes a counter of the number that came',
      ours: 'counts known codes only',
      reason: 'an upstream cannot fill memory with names (attack checklist)',
      where: ['stats'],
    },
  },
  {
    name: 'a call that fails in its head',
    config: { httpFilters: [stats({ stats_for_all_methods: true })] },
    client: call,
    upstream:
      'HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 7\r\ncontent-length: 0\r\n\r\n',
  },
  {
    name: 'no upstream',
    config: { httpFilters: [stats({ stats_for_all_methods: true })] },
    client: call,
    upstream: { refuses: true },
  },
  {
    name: 'a request that is no gRPC',
    config: { httpFilters: [stats({ stats_for_all_methods: true, emit_filter_state: true })] },
    client: post('/pkg.Echo/Say', 'x', 'text/plain'),
    upstream: GOOD,
    differs: {
      envoy: 'counts messages in the answer to a request that is no gRPC, for filter state',
      ours: 'has no filter for it',
      reason: 'every plain request would pay for it',
      where: ['log'],
    },
  },
  {
    name: 'filter state is emitted',
    config: { httpFilters: [stats({ emit_filter_state: true })] },
    client: post('/pkg.Echo/Say', message('hi') + message('there') + message('x')),
    upstream: GOOD,
  },
  {
    name: 'filter state is not emitted',
    config: { httpFilters: [stats({ emit_filter_state: false })] },
    client: call,
    upstream: GOOD,
  },
  {
    name: 'filter state of a call without messages',
    config: { httpFilters: [stats({ emit_filter_state: true })] },
    client: post('/pkg.Echo/Say', ''),
    upstream: answer([], 'grpc-status: 0\r\n'),
  },
];

const KEY = 'envoy.filters.http.grpc_stats';
export const suite = await differential(
  import.meta.url,
  {
    config: {
      hcm: { http_protocol_options: { enable_trailers: true } },
      clusters: {
        up: {
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http_protocol_options: { enable_trailers: true } },
            },
          },
        },
      },
    },
    log: `%RESPONSE_CODE% %GRPC_STATUS% %FILTER_STATE(${KEY}:PLAIN)% %FILTER_STATE(${KEY})% %FILTER_STATE(${KEY}:FIELD:request_message_count)% %FILTER_STATE(${KEY}:FIELD:response_message_count)%`,
    stats: ['cluster.CASE-up.grpc*'],
  },
  rows,
);
