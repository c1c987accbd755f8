// Replies the proxy makes itself: order of headers, gRPC, HEAD, and local_reply_config (envoy-behaviour §1.15, §5).
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import type { CaseConfig, Json, Row } from '../row.ts';

const FAULT = 'filters.http.fault.v3.HTTPFault';
const add = (key: string, value: string, more: Json = {}): Json => ({
  header: { key, value },
  ...more,
});
const marked = { response_headers_to_add: [add('x-route', 'r%RESPONSE_CODE%')] };

const routes: readonly Json[] = [
  {
    match: { prefix: '/direct' },
    direct_response: { status: 200, body: { inline_string: 'hi' } },
    ...marked,
  },
  { match: { prefix: '/bare' }, direct_response: { status: 404 } },
  {
    match: { prefix: '/typed' },
    direct_response: { status: 200, body: { inline_string: 'hi' } },
    response_headers_to_add: [
      add('content-type', 'text/html', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }),
    ],
  },
  { match: { prefix: '/nohost' }, route: { cluster: 'CASE-empty' }, ...marked },
  { match: { prefix: '/nocluster' }, route: { cluster: 'nonesuch' } },
  { match: { prefix: '/away' }, redirect: { path_redirect: '/x' }, ...marked },
  { match: { prefix: '/up' }, route: { cluster: 'CASE-up' } },
  {
    match: { prefix: '/abort' },
    route: { cluster: 'CASE-up' },
    ...marked,
    typed_per_filter_config: {
      'envoy.filters.http.fault': {
        '@type': `type.googleapis.com/envoy.extensions.${FAULT}`,
        abort: { http_status: 418, percentage: { numerator: 100 } },
      },
    },
  },
];

const base: CaseConfig = {
  routes,
  clusters: { empty: {} },
  httpFilters: [filterOf('envoy.filters.http.fault', FAULT)],
  virtualHost: { response_headers_to_add: [add('x-host', 'v')] },
};

const get = (path: string, ...lines: readonly string[]): string =>
  `GET ${path} HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const head = (path: string): string => get(path).replace('GET', 'HEAD');
const grpc = (path: string): string =>
  `POST ${path} HTTP/1.1\r\nhost: h\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n`;

const configured = (local_reply_config: Json): CaseConfig => ({ hcm: { local_reply_config } });
const text = (inline_string: string, more: Json = {}): Json => ({
  text_format_source: { inline_string },
  ...more,
});
const status = (value: number, op = 'EQ'): Json => ({
  status_code_filter: { comparison: { op, value: { default_value: value, runtime_key: 'k' } } },
});
const flag = (name: string): Json => ({ response_flag_filter: { flags: [name] } });
const body = (inline_string: string): Json => ({ body: { inline_string } });

const mapped = configured({
  mappers: [
    {
      filter: status(404),
      status_code: 499,
      ...body('not here'),
      headers_to_add: [add('x-m', 'a%RESPONSE_CODE%'), add('x-m', 'b')],
    },
    {
      filter: flag('UH'),
      body_format_override: {
        json_format: {
          z: 1,
          code: '%RESPONSE_CODE%',
          body: '%LOCAL_REPLY_BODY%',
          flags: '%RESPONSE_FLAGS%',
          details: '%RESPONSE_CODE_DETAILS%',
        },
      },
    },
  ],
  body_format: text(
    '<%LOCAL_REPLY_BODY%|%RESPONSE_CODE%|%REQ(:path)%|%RESP(x-host)%|%RESP(:status)%>',
  ),
});

const places: readonly (readonly [what: string, path: string])[] = [
  ['a direct response', '/direct'],
  ['a direct response without a body', '/bare'],
  ['a direct response whose route names a content type', '/typed'],
  ['no healthy host', '/nohost'],
  ['a cluster that is not there', '/nocluster'],
  ['a redirect', '/away'],
  ['an injected abort', '/abort'],
  ['no route', '/nowhere'],
];

const plain: readonly Row[] = [
  ...places.map(([what, path]): Row => ({ name: `${what} as it is`, client: get(path) })),
  ...places.map(([what, path]): Row => ({ name: `${what}, asked with HEAD`, client: head(path) })),
  ...places.map(([what, path]): Row => ({ name: `${what}, for gRPC`, client: grpc(path) })),
];

const changed: readonly Row[] = [
  ...places.map(([what, path]): Row => ({
    name: `${what}, changed by local_reply_config`,
    config: mapped,
    client: get(path),
  })),
  ...places.map(([what, path]): Row => ({
    name: `${what}, changed and for gRPC`,
    config: mapped,
    client: grpc(path),
  })),
  {
    name: 'a HEAD is told the length of the changed body',
    config: mapped,
    client: head('/nohost'),
  },
  { name: 'an answer of the upstream is left alone', config: mapped, client: get('/up') },
  {
    name: 'a 404 of the upstream is left alone',
    config: mapped,
    client: get('/up'),
    upstream: 'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n',
  },
  {
    name: 'a refused upgrade is changed, too',
    config: mapped,
    client: get('/up', 'connection: upgrade', 'upgrade: websocket'),
  },
];

const formats: readonly Row[] = [
  {
    name: 'JSON is the body of a gRPC message without its line end',
    config: configured({
      body_format: { json_format: { b: '%LOCAL_REPLY_BODY%', a: '%REQ(x)%' } },
    }),
    client: grpc('/nohost'),
    expect: { client: /grpc-message: \{"a":null,"b":"no healthy upstream"\}\r\n/ },
  },
  {
    name: 'a text format may name its type',
    config: configured({
      body_format: text('<b>%LOCAL_REPLY_BODY%</b>', { content_type: 'text/html; charset=UTF-8' }),
    }),
    client: get('/nohost'),
    expect: { client: /content-type: text\/html; charset=UTF-8/ },
  },
  {
    name: 'a JSON format may name its type',
    config: configured({
      body_format: { json_format: { a: 1 }, content_type: 'application/problem+json' },
    }),
    client: get('/nohost'),
  },
  {
    name: 'a format that changes nothing leaves the type of the route',
    config: configured({ body_format: text('%LOCAL_REPLY_BODY%') }),
    client: get('/typed'),
  },
  {
    name: 'a format that changes the body takes the type of the route',
    config: configured({ body_format: text('x%LOCAL_REPLY_BODY%') }),
    client: get('/typed'),
  },
  {
    name: 'a mapper may name the type by a header',
    config: configured({
      mappers: [
        {
          filter: status(200),
          ...body('z'),
          headers_to_add: [
            add('content-type', 'text/html', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }),
          ],
        },
      ],
    }),
    client: get('/direct'),
  },
  {
    name: 'a format may leave nothing of the body',
    config: configured({ body_format: text('%REQ(nope)%', { omit_empty_values: true }) }),
    client: get('/nohost'),
    expect: { client: /content-length: 0\r\n/ },
  },
  {
    name: 'a format gives a body to a redirect',
    config: configured({ body_format: text('x') }),
    client: get('/away'),
  },
  {
    name: 'a mapper may take the body away',
    config: configured({ mappers: [{ filter: status(503), ...body('') }] }),
    client: get('/nohost'),
  },
  {
    name: 'lines and bytes of a body stay as they are',
    config: configured({
      mappers: [{ filter: status(503), body: { inline_bytes: '/wANCuk=' } }],
      body_format: text('ü\n%LOCAL_REPLY_BODY%'),
    }),
    client: get('/nohost'),
  },
];

const statuses: readonly Row[] = [
  {
    name: 'a mapper may turn an error into 200',
    config: configured({ mappers: [{ filter: status(503), status_code: 200 }] }),
    client: get('/nohost'),
    expect: { status: 200 },
    stats: ['http.CASE.downstream_rq_*xx'],
  },
  {
    name: 'a 400 ends the connection whatever a mapper makes of it',
    config: configured({ mappers: [{ filter: status(400), status_code: 404 }] }),
    client: [`GET / HTTP/1.1\r\n\r\n${get('/up')}`, { closed: true }],
    expect: { status: 404 },
  },
  {
    name: 'a 400 of a mapper does not end the connection',
    config: configured({ mappers: [{ filter: status(503), status_code: 400 }] }),
    client: [get('/nohost') + get('/up'), { responses: 2 }],
    expect: { status: [400, 200] },
  },
  {
    name: 'the first mapper that matches is the only one',
    config: configured({
      mappers: [
        { filter: status(500, 'GE'), ...body('first') },
        { filter: status(503), ...body('second') },
      ],
    }),
    client: get('/nohost'),
    expect: { client: /first<open>/ },
  },
  {
    name: 'filters may be joined',
    config: configured({
      mappers: [
        {
          filter: {
            and_filter: {
              filters: [
                status(503),
                { header_filter: { header: { name: 'x', string_match: { exact: 'y' } } } },
              ],
            },
          },
          ...body('both'),
        },
      ],
    }),
    client: [get('/nohost', 'x: y'), { responses: 1 }, get('/nohost'), { responses: 2 }],
  },
  {
    name: 'headers of a mapper come after those of the route and obey their actions',
    config: configured({
      mappers: [
        {
          filter: status(503),
          headers_to_add: [
            add('x-host', 'm', { append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }),
            add('x-route', 'm', { append_action: 'ADD_IF_ABSENT' }),
            add('x-new', '%RESPONSE_FLAGS%'),
            add('server', 'mine'),
            add('connection', 'close'),
          ],
        },
      ],
    }),
    client: get('/nohost'),
  },
];

const malformed = 'GET / HTTP/1.1\r\nhost: h\r\nbad header\r\n\r\n';
const broken: readonly Row[] = [
  {
    name: 'a breach of protocol has no flag yet when its reply is formatted',
    config: configured({
      body_format: text(
        '%RESPONSE_FLAGS%|%RESPONSE_CODE%|%RESPONSE_CODE_DETAILS%|%LOCAL_REPLY_BODY%|%PROTOCOL%|%REQ(:path)%',
      ),
    }),
    client: malformed,
    expect: { client: /-\|400\|http1\.codec_error\|Bad Request\|HTTP\/1\.1\|-/, log: / 400 DPE / },
  },
  {
    name: 'nor does a filter see it',
    config: configured({ mappers: [{ filter: flag('DPE'), ...body('DPE') }] }),
    client: malformed,
    expect: { client: /Bad Request/ },
  },
  {
    name: 'its status is seen',
    config: configured({
      mappers: [
        { filter: status(400), ...body('four hundred'), headers_to_add: [add('x-a', 'b')] },
      ],
    }),
    client: malformed,
  },
  {
    name: 'an unsupported version is formatted, too',
    config: configured({ body_format: text('[%LOCAL_REPLY_BODY%]%PROTOCOL%') }),
    client: 'GET / HTTP/1.0\r\n\r\n',
  },
];

export const suite = await differential(
  import.meta.url,
  { config: base, stats: ['http.CASE.downstream_rq_completed'] },
  [...plain, ...changed, ...formats, ...statuses, ...broken],
);
