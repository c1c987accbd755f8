// External authorization over gRPC: what the service is asked, what its answers do (envoy-behaviour §10.3).
import type { Socket } from 'node:net';
import { decode, encode } from '../../../xds-protos/codec.ts';
import type { MessageTypes } from '../../../xds-protos/gen/message-types.ts';
import { toJson } from '../../../xds-protos/proto-json.ts';
import { filterOf } from '../../support/proxy-process.ts';
import { unaryGrpcServer } from '../../support/unary-grpc-server.ts';
import type { UnaryAnswer } from '../../support/unary-grpc-server.ts';
import { differential } from '../differential.ts';
import type { CaseConfig, Json, Row, Upstream } from '../row.ts';
import { AUTHZ_SUITE, body, chunked, get, perRoute, post } from './filters-ext-authz.ts';
import { HTTP2 } from './filters-rate-limit-service.ts';

const REQUEST = 'envoy.service.auth.v3.CheckRequest';
const RESPONSE = 'envoy.service.auth.v3.CheckResponse';
type CheckResponse = MessageTypes[typeof RESPONSE];

const service = (more: Json = {}): Json => ({
  grpc_service: { envoy_grpc: { cluster_name: 'CASE-authz' }, timeout: '5s', ...more },
});
const authzFilter = (settings: Json): Json =>
  filterOf('envoy.filters.http.ext_authz', 'filters.http.ext_authz.v3.ExtAuthz', {
    transport_api_version: 'V3',
    ...service(),
    ...settings,
  });
const authz = (settings: Json = {}, more: CaseConfig = {}): CaseConfig => ({
  httpFilters: [authzFilter(settings)],
  clusters: { authz: HTTP2 },
  ...more,
});

/** Maps have no order; ids, times and ports vary. */
function tidy(key: string, value: unknown): unknown {
  if (key === 'time' || key === 'id' || key === 'port_value') return 'N';
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function says(answer: CheckResponse | UnaryAnswer | 'silence'): {
  readonly upstreams: Readonly<Record<string, Upstream>>;
} {
  const reply = answer === 'silence' || isUnary(answer) ? answer : messageOf(answer);
  const serve = (socket: Socket, note: (line: string) => void): void => {
    const server = unaryGrpcServer(({ headers, message }) => {
      note(`${String(headers[':path'])} ${String(headers['grpc-timeout'])}`);
      note(JSON.stringify(toJson(REQUEST, decode(REQUEST, message)), tidy));
      return reply;
    });
    server.emit('connection', socket);
  };
  return { upstreams: { authz: { serve } } };
}
const isUnary = (answer: CheckResponse | UnaryAnswer): answer is UnaryAnswer =>
  'message' in answer || 'grpcStatus' in answer || 'raw' in answer;
const messageOf = (answer: CheckResponse): UnaryAnswer => ({
  message: Buffer.from(encode(RESPONSE, answer)),
});

type HeaderOption = NonNullable<NonNullable<CheckResponse['ok_response']>['headers']>[number];
const header = (key: string, value: string, more: Partial<HeaderOption> = {}): HeaderOption => ({
  header: { key, value },
  ...more,
});
const YES: CheckResponse = { status: { code: 0 } };
const NO: CheckResponse = { status: { code: 7 } };
const ok = (ok_response: NonNullable<CheckResponse['ok_response']>): CheckResponse => ({
  status: { code: 0 },
  ok_response,
});
const denied = (denied_response: NonNullable<CheckResponse['denied_response']>): CheckResponse => ({
  status: { code: 16 },
  denied_response,
});
const SOME = [
  header('x-a', '1'),
  header('x-b', '2', { append: true }),
  header('x-c', '3', { append: false }),
  header('x-d', '4', { append: true }),
];
const ACTIONS = [
  header('x-a', '1', { append_action: 'APPEND_IF_EXISTS_OR_ADD' }),
  header('x-b', '2', { append_action: 'ADD_IF_ABSENT' }),
  header('x-c', '3', { append_action: 'OVERWRITE_IF_EXISTS' }),
  header('x-d', '4', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }),
  header('x-e', '5', { append_action: 'ADD_IF_ABSENT' }),
  header('x-f', '6', { append_action: 'OVERWRITE_IF_EXISTS' }),
];
const ALL = get('/', 'x-a: a', 'x-b: b', 'x-c: c', 'x-d: d');
const PRESENT =
  'HTTP/1.1 200 OK\r\nx-a: a\r\nx-b: b\r\nx-c: c\r\nx-d: d\r\ncontent-length: 2\r\n\r\nok';

const questions: Row[] = [
  {
    name: 'all of a request',
    config: authz(),
    client: get('/p?q=1', 'x: 1', 'x: 2', 'y: \xff', 'x-envoy-downstream-service-cluster: me'),
    ...says(YES),
    expect: { status: 200 },
  },
  {
    name: 'some headers of a request',
    config: authz({
      allowed_headers: { patterns: [{ prefix: 'x' }, { exact: ':path' }] },
      disallowed_headers: { patterns: [{ exact: 'x-b' }] },
    }),
    client: ALL,
    ...says(YES),
  },
  {
    name: 'a body',
    config: authz(body()),
    client: post('ab\xff'),
    ...says(YES),
    expect: { status: 200 },
  },
  {
    name: 'a body as bytes, without a length',
    config: authz(body({ pack_as_bytes: true })),
    client: chunked('ab\xff'),
    ...says(YES),
    expect: { status: 200 },
  },
  {
    name: 'the beginning of a body',
    config: authz(body({ allow_partial_message: true })),
    client: post('abcdefgh'),
    ...says(YES),
    expect: { status: 200 },
  },
  {
    name: 'a body that is not looked at',
    config: authz(),
    client: post('abc'),
    ...says(YES),
    expect: { status: 200 },
  },
  {
    name: 'no body where one is looked for',
    config: authz(body()),
    client: get(),
    ...says(YES),
  },
  {
    name: 'context of the route and its virtual host',
    config: authz(
      {},
      {
        virtualHost: perRoute({ check_settings: { context_extensions: { a: '1', b: '1' } } }),
        routeMore: perRoute({ check_settings: { context_extensions: { b: '2' } } }),
      },
    ),
    client: get(),
    ...says(YES),
  },
  {
    name: 'metadata',
    config: {
      ...authz(),
      httpFilters: [
        filterOf('envoy.filters.http.set_metadata', 'filters.http.set_metadata.v3.Config', {
          metadata: [
            { metadata_namespace: 'n', value: { a: [1, true, null, { b: '' }] } },
            { metadata_namespace: 'm', value: { c: 1 } },
          ],
        }),
        authzFilter({ metadata_context_namespaces: ['n', 'o'] }),
      ],
    },
    client: get(),
    ...says(YES),
  },
];

const answers: Row[] = [
  {
    name: 'denied',
    config: authz(),
    client: get(),
    ...says(NO),
    expect: { status: 403, log: /403 UAEX ext_authz_denied/ },
  },
  {
    name: 'denied with words',
    config: authz(),
    client: get(),
    ...says(
      denied({
        status: { code: 'Unauthorized' },
        headers: [...SOME, header('x-b', '9')],
        body: 'no',
      }),
    ),
    expect: { status: 401, client: /no/ },
  },
  {
    name: 'denied with header actions',
    config: authz(),
    client: get(),
    ...says(denied({ headers: ACTIONS })),
  },
  {
    name: 'denied, and metadata',
    config: authz(),
    client: get(),
    log: '%DYNAMIC_METADATA(envoy.filters.http.ext_authz:a)%\n',
    ...says({ ...NO, dynamic_metadata: { a: 'b' } }),
  },
  {
    name: 'an empty answer allows',
    config: authz(),
    client: get(),
    ...says({ message: Buffer.alloc(0) }),
  },
  {
    name: 'the words of a denial do not count where it is none',
    config: authz(),
    client: get(),
    ...says({ status: { code: 0 }, denied_response: { body: 'no' } }),
  },
  {
    name: 'headers of the request',
    config: authz(),
    client: get('/', 'x-a: a', 'x-b: b', 'x-c: c'),
    ...says(ok({ headers: SOME })),
    expect: { upstream: /x-a: 1/ },
  },
  {
    name: 'header actions of the request',
    config: authz(),
    client: ALL,
    ...says(ok({ headers: ACTIONS })),
  },
  {
    name: 'headers that are removed',
    config: authz(),
    client: ALL,
    ...says(ok({ headers_to_remove: ['X-A', 'x-c', ':path', 'host'] })),
    expect: { upstream: /x-b: b/ },
  },
  {
    name: 'headers of the response',
    config: authz(),
    client: get(),
    upstream: PRESENT,
    ...says(ok({ response_headers_to_add: SOME })),
  },
  {
    name: 'header actions of the response',
    config: authz(),
    client: get(),
    upstream: PRESENT,
    ...says(ok({ response_headers_to_add: ACTIONS })),
  },
  {
    name: 'query parameters',
    config: authz(),
    client: get('/p?a=1&b=2&c=3'),
    ...says(
      ok({
        query_parameters_to_set: [
          { key: 'a', value: '9' },
          { key: 'd', value: 'x-y' },
        ],
        query_parameters_to_remove: ['b'],
      }),
    ),
    expect: { upstream: /a=9&c=3&d=x/ },
  },
  {
    name: 'metadata of an allowance',
    config: authz(),
    client: get(),
    log: '%DYNAMIC_METADATA(envoy.filters.http.ext_authz:a)%\n',
    ...says({ ...YES, dynamic_metadata: { a: 'b' } }),
    expect: { log: /b/ },
  },
];

const failures: Row[] = [
  {
    name: 'an error of the service refuses',
    config: authz(),
    client: get(),
    ...says({ grpcStatus: '13' }),
    expect: { status: 403, log: /UAEX ext_authz_error/ },
  },
  {
    name: 'an error of the service lets pass where asked for',
    config: authz({ failure_mode_allow: true }),
    client: get(),
    ...says({ grpcStatus: '13' }),
    expect: { status: 200 },
  },
  {
    name: 'an answer that is none',
    config: authz(),
    client: get(),
    ...says({ message: Buffer.from('\x1a\xff', 'latin1') }),
    expect: { status: 403 },
  },
  {
    name: 'an allowance that then fails',
    config: authz(),
    client: get(),
    ...says({ ...messageOf(YES), grpcStatus: '2' }),
    expect: { status: 403 },
  },
  {
    name: 'an allowance without an end',
    config: authz(),
    client: get(),
    ...says({ ...messageOf(YES), cut: true }),
    expect: { status: 403 },
  },
  {
    name: 'no answer in time',
    config: authz(service({ timeout: '0.1s' })),
    client: get(),
    ...says('silence'),
    expect: { status: 403 },
  },
  {
    name: 'nobody listens',
    config: authz(),
    client: get(),
    upstreams: { authz: { refuses: true } },
    expect: { status: 403 },
  },
];

export const suite = await differential(import.meta.url, AUTHZ_SUITE, [
  ...questions,
  ...answers,
  ...failures,
]);
