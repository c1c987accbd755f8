// Options of the HTTP/1 codec that no other file looks at, of listeners and of clusters.
import { differential } from '../differential.ts';
import type { CaseConfig, Json } from '../row.ts';
import { answer, get, ok, request } from '../texts.ts';

const UPSTREAM_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const upstream = (http1: Json, common: Json = {}): CaseConfig => ({
  clusters: {
    up: {
      typed_extension_protocol_options: {
        [UPSTREAM_OPTIONS]: {
          '@type': `type.googleapis.com/${UPSTREAM_OPTIONS}`,
          explicit_http_config: { http_protocol_options: http1 },
          common_http_protocol_options: common,
        },
      },
    },
  },
});

const both = ['content-length: 2', 'transfer-encoding: chunked'];
const TWO = '2\r\nok\r\n0\r\n\r\n';
const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `x-${i}: v`);

export const suite = await differential(
  import.meta.url,
  {
    stats: [
      'http.CASE.downstream_rq_*',
      'http.CASE.downstream_cx_protocol_error',
      'cluster.CASE-up.upstream_rq_*',
      'cluster.CASE-up.upstream_cx_protocol_error',
    ],
  },
  [
    {
      name: 'an answer with length and chunked passes where the cluster allows it',
      config: upstream({ allow_chunked_length: true }),
      client: [get(), { responses: 1 }],
      upstream: answer('200 OK', both, TWO),
    },
    {
      name: 'an answer with another coding and a length is refused all the same',
      config: upstream({ allow_chunked_length: true }),
      client: [get(), { responses: 1 }],
      upstream: answer('200 OK', ['content-length: 2', 'transfer-encoding: gzip'], 'ok'),
    },
    {
      name: 'the whole address goes to the server where the cluster asks for it',
      config: upstream({ send_fully_qualified_url: true }),
      client: [get('/a?b=c'), { responses: 1 }],
    },
    {
      name: 'the count of fields of an answer is configurable',
      config: upstream({}, { max_headers_count: 5 }),
      client: [get(), { responses: 1 }],
      upstream: ok('ok', ...names(5)),
    },
    {
      name: 'more fields of an answer pass where allowed',
      config: upstream({}, { max_headers_count: 150 }),
      client: [get(), { responses: 1 }],
      upstream: ok('ok', ...names(120)),
    },
    {
      name: 'the size of the head of an answer is configurable',
      config: upstream({}, { max_response_headers_kb: 1 }),
      client: [get(), { responses: 1 }],
      upstream: ok('ok', `x-a: ${'b'.repeat(1100)}`),
    },
    {
      name: 'a larger head of an answer passes where allowed',
      config: upstream({}, { max_response_headers_kb: 96 }),
      client: [get(), { responses: 1 }],
      upstream: ok('ok', `x-a: ${'b'.repeat(90_000)}`),
    },
    {
      name: 'names with underscores in answers pass whatever the listener says',
      config: {
        hcm: { common_http_protocol_options: { headers_with_underscores_action: 'DROP_HEADER' } },
      },
      client: [get(), { responses: 1 }],
      upstream: ok('ok', 'x_a: b'),
    },
    ...[false, true].flatMap((stays) => [
      {
        name: `a request without host where stream errors ${stays ? 'leave' : 'end'} the connection`,
        config: { hcm: { stream_error_on_invalid_http_message: stays } },
        client: ['GET / HTTP/1.1\r\n\r\n', { responses: 1 }],
      },
      {
        name: `a malformed request where stream errors ${stays ? 'leave' : 'end'} the connection`,
        config: { hcm: { stream_error_on_invalid_http_message: stays } },
        client: [get('/', 'a b: c'), { responses: 1 }],
      },
      {
        name: `a bad host where stream errors ${stays ? 'leave' : 'end'} the connection`,
        config: { hcm: { stream_error_on_invalid_http_message: stays } },
        client: ['GET / HTTP/1.1\r\nhost: a b\r\n\r\n', { responses: 1 }],
      },
      {
        name: `no host where the codec's own option says ${stays}`,
        config: {
          hcm: {
            stream_error_on_invalid_http_message: !stays,
            http_protocol_options: { override_stream_error_on_invalid_http_message: stays },
          },
        },
        client: ['GET / HTTP/1.1\r\n\r\n', { responses: 1 }],
      },
    ]),
    {
      name: 'an upgrade that is to be ignored',
      config: {
        hcm: { http_protocol_options: { ignore_http_11_upgrade: [{ exact: 'foo' }] } },
      },
      client: [get('/', 'connection: upgrade', 'upgrade: foo'), { responses: 1 }],
    },
    {
      name: 'an upgrade of two types, one to be ignored',
      config: {
        hcm: {
          http_protocol_options: { ignore_http_11_upgrade: [{ prefix: 'TLS/' }] },
          upgrade_configs: [{ upgrade_type: 'websocket' }],
        },
      },
      client: [get('/', 'connection: upgrade', 'upgrade: TLS/1.2, websocket'), { heads: 1 }],
      upstream: [
        answer('101 Switching Protocols', ['upgrade: websocket', 'connection: upgrade']),
        { tunnel: true },
      ],
    },
    {
      name: 'a custom method towards the server',
      config: {
        ...upstream({ allow_custom_methods: true }),
        hcm: { http_protocol_options: { allow_custom_methods: true } },
      },
      client: [request('BREW / HTTP/1.1'), { responses: 1 }],
    },
  ],
);
