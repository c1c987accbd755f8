// Which requests are traced, as their ids and counters tell; x-envoy-decorator-operation (envoy-behaviour §1.7, §1.8).
import { differential } from '../differential.ts';
import type { CaseConfig, Json, Row } from '../row.ts';

const get = (...lines: readonly string[]): string =>
  `GET / HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const id = (reason: string, start = '6e9ddf5c'): string =>
  `x-request-id: ${start}-1b22-${reason}dd1-a0b9-7c8c3a31c9bz`;

const IDS = { generate_request_id: true };
const percent = (value: number): Json => ({ value });
const traced = (tracing: Json = {}, more: Json = {}): Json => ({ ...IDS, tracing, ...more });
const NEVER = { random_sampling: percent(0) };
const INTERNAL = {
  internal_address_config: { cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] },
};
const INSIDE = 'x-forwarded-for: 10.0.0.1';
const FORCE = 'x-envoy-force-trace: 1';
const CLIENT = 'x-client-trace-id: z';
const extension = (config: Json): Json => ({
  request_id_extension: {
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig',
      ...config,
    },
  },
});

const row = (name: string, hcm: Json, ...lines: readonly string[]): Row => ({
  name,
  config: { hcm },
  client: get(...lines),
});
const routed = (name: string, hcm: Json, tracing: Json, reason: string): Row => ({
  name,
  config: { hcm, routeMore: { tracing } },
  client: get(id(reason)),
});

const decisions: readonly Row[] = [
  row('without tracing an id stays', IDS, id('9')),
  ...['4', '9', 'a', 'b', 'c', '0'].map((reason) =>
    row(`everything is traced: ${reason}`, traced(), id(reason)),
  ),
  row('a new id carries the decision', traced()),
  row('and the other one', traced(NEVER)),
  row('nothing is traced', traced(NEVER), id('4')),
  row('but what is traced already', traced(NEVER), id('9')),
  row('nothing at all', traced({ overall_sampling: percent(0) }), id('9')),
  row('what a client asks for', traced(NEVER), id('4'), CLIENT),
  row('where it may', traced({ ...NEVER, client_sampling: percent(0) }), id('4'), CLIENT),
  row('what a service asks for', traced(NEVER, INTERNAL), INSIDE, id('4'), FORCE),
  row('but nobody outside', traced(NEVER), id('4'), FORCE),
  row('a client before a service', traced(NEVER, INTERNAL), INSIDE, id('4'), FORCE, CLIENT),
  row('a short id is not traced', traced(), 'x-request-id: abc'),
  row('an id that is no number is not traced', traced(), id('4', 'zzzzzzzz')),
  row('an edge proxy decides anew', traced(NEVER, { use_remote_address: true }), id('9')),
  row(
    'also with the id it was given',
    traced(NEVER, { use_remote_address: true, preserve_external_request_id: true }),
    id('9'),
  ),
  row('the id decides: below', traced({ random_sampling: percent(50) }), id('4', '00001387')),
  row('the id decides: not below', traced({ random_sampling: percent(50) }), id('4', '00001388')),
  row('ids that carry no reason', traced({}, extension({ pack_trace_reason: false })), id('4')),
  row(
    'and do not decide',
    traced(NEVER, extension({ use_request_id_for_trace_sampling: false })),
    id('4'),
  ),
  row('no id, no trace', traced({}, { generate_request_id: false })),
  routed('a route may trace nothing', traced(), { random_sampling: { numerator: 0 } }, '4'),
  routed('or everything', traced(NEVER), { random_sampling: { numerator: 100 } }, '4'),
  routed('or nothing at all', traced(), { overall_sampling: { numerator: 0 } }, '9'),
  {
    ...row('a request without a route is traced', traced()),
    config: { hcm: traced(), routes: [] },
  },
];

const OPERATION = 'x-envoy-decorator-operation: mine';
const OF_UPSTREAM =
  'HTTP/1.1 200 OK\r\nx-envoy-decorator-operation: theirs\r\ncontent-length: 0\r\n\r\n';
const decorated = (direction: string, decorator: Json | undefined): CaseConfig => ({
  hcm: traced(),
  listener: { traffic_direction: direction },
  ...(decorator === undefined ? {} : { routeMore: { decorator } }),
});
const PASSED = { operation: 'op' };
const KEPT = { operation: 'op', propagate: false };

const operations: readonly Row[] = ['INBOUND', 'OUTBOUND', 'UNSPECIFIED'].flatMap(
  (direction): readonly Row[] => [
    {
      name: `${direction}: the operation of a route`,
      config: decorated(direction, PASSED),
      client: get(),
    },
    {
      name: `${direction}: named by the client`,
      config: decorated(direction, PASSED),
      client: get(OPERATION),
    },
    {
      name: `${direction}: named by the upstream`,
      config: decorated(direction, PASSED),
      client: get(),
      upstream: OF_UPSTREAM,
    },
    {
      name: `${direction}: kept to itself`,
      config: decorated(direction, KEPT),
      client: get(OPERATION),
    },
    {
      name: `${direction}: none`,
      config: decorated(direction, undefined),
      client: get(OPERATION),
      upstream: OF_UPSTREAM,
    },
    {
      name: `${direction}: not traced`,
      config: { ...decorated(direction, PASSED), hcm: traced(NEVER) },
      client: get(),
    },
    {
      name: `${direction}: without tracing`,
      config: { ...decorated(direction, PASSED), hcm: IDS },
      client: get(OPERATION),
      upstream: OF_UPSTREAM,
    },
  ],
);

const replies: readonly Row[] = [
  {
    name: 'a direct response has an operation',
    config: {
      hcm: traced(),
      routes: [{ match: { prefix: '/' }, direct_response: { status: 200 }, decorator: PASSED }],
    },
    client: get('connection: close'),
  },
  {
    name: 'a refusal before the route has none',
    config: decorated('INBOUND', PASSED),
    client: 'GET / HTTP/1.1\r\n\r\n',
  },
  {
    name: 'nor has one that is not understood',
    config: decorated('INBOUND', PASSED),
    client: 'GET / HTTP/1.1\r\nbad header\r\n\r\n',
  },
  {
    name: 'nor a refused upgrade',
    config: decorated('INBOUND', PASSED),
    client: get('connection: upgrade', 'upgrade: websocket'),
  },
  {
    name: 'half a head is not decided upon',
    config: decorated('INBOUND', PASSED),
    client: ['GET / HT', { end: true }, { closed: true }],
  },
];

export const suite = await differential(
  import.meta.url,
  {
    stats: ['http.CASE.tracing.*'],
    // As far as the reason; ids of the rows are no UUIDs, so that they are not masked.
    log: '%REQ(X-REQUEST-ID):15% %RESPONSE_CODE%',
  },
  [...decisions, ...operations, ...replies].map((one) => ({
    ...one,
    mask: [[/[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f]) /g, 'ID $1 ']],
  })),
);
