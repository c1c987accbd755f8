// CORS: preflights, marked responses, policies of several levels (envoy-behaviour §10.5).
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import type { Json, Row } from '../row.ts';

const NAME = 'envoy.filters.http.cors';
const POLICY = 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy';
const FULL = {
  allow_origin_string_match: [
    { exact: 'http://good' },
    { safe_regex: { regex: 'http://.*[.]good' } },
  ],
  allow_methods: 'GET,PUT',
  allow_headers: 'x-a',
  expose_headers: 'x-b',
  max_age: '60',
  allow_credentials: true,
};

const perFilter = (policy: Json | undefined): Json =>
  policy === undefined
    ? {}
    : { typed_per_filter_config: { [NAME]: { '@type': POLICY, ...policy } } };

/** The virtual host's policy and the route's. */
const cors = (ofHost: Json | undefined, ofRoute?: Json) => ({
  httpFilters: [filterOf(NAME, 'filters.http.cors.v3.Cors')],
  virtualHost: perFilter(ofHost),
  routeMore: perFilter(ofRoute),
});
const preflight = (origin: string, ...lines: readonly string[]): string =>
  [
    'OPTIONS / HTTP/1.1',
    'host: h',
    `origin: ${origin}`,
    'access-control-request-method: PATCH',
    ...lines,
  ]
    .map((line) => `${line}\r\n`)
    .join('') + '\r\n';
const get = (...lines: readonly string[]): string =>
  `GET / HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const percent = (numerator: number, more: Json = {}) => ({ default_value: { numerator }, ...more });

const preflights: Row[] = [
  {
    name: 'a preflight of an allowed origin is answered',
    config: cors(FULL),
    client: preflight('http://good'),
    expect: { status: 200, log: / cors_response /, client: /access-control-max-age: 60/ },
  },
  {
    name: 'a preflight of an origin that a regex takes',
    config: cors(FULL),
    client: preflight('http://a.good'),
    expect: { client: /allow-origin: http:\/\/a\.good/ },
  },
  {
    name: 'a preflight of another origin goes to the upstream',
    config: cors(FULL),
    client: preflight('http://bad'),
    expect: { log: / via_upstream / },
  },
  {
    name: 'a preflight of another origin is answered where it is not to be forwarded',
    config: cors({ ...FULL, forward_not_matching_preflights: false }),
    client: preflight('http://bad'),
    expect: { log: / cors_response / },
  },
  {
    name: 'OPTIONS without a requested method is no preflight',
    config: cors(FULL),
    client: 'OPTIONS / HTTP/1.1\r\nhost: h\r\norigin: http://good\r\n\r\n',
    expect: { log: / via_upstream / },
  },
  {
    name: 'OPTIONS with an empty requested method is no preflight',
    config: cors(FULL),
    client:
      'OPTIONS / HTTP/1.1\r\nhost: h\r\norigin: http://good\r\naccess-control-request-method:\r\n\r\n',
    expect: { log: / via_upstream / },
  },
  {
    name: 'a star echoes the method and headers asked for',
    config: cors({ ...FULL, allow_methods: '*', allow_headers: '*' }),
    client: preflight('http://good', 'access-control-request-headers: p, q'),
    expect: { client: /allow-methods: PATCH[\s\S]*allow-headers: p, q/ },
  },
  {
    name: 'a star echoes that no headers were asked for',
    config: cors({ ...FULL, allow_headers: '*' }),
    client: preflight('http://good'),
  },
  {
    name: 'a private network is allowed where the policy says so',
    config: cors({ ...FULL, allow_private_network_access: true }),
    client: preflight('http://good', 'access-control-request-private-network: true'),
    expect: { client: /allow-private-network: true/ },
  },
  {
    name: 'a private network is not allowed by default',
    config: cors(FULL),
    client: preflight('http://good', 'access-control-request-private-network: true'),
  },
  {
    name: 'a private network that is not asked for is not spoken of',
    config: cors({ ...FULL, allow_private_network_access: true }),
    client: preflight('http://good'),
  },
  {
    name: 'a policy with origins alone answers little',
    config: cors({ allow_origin_string_match: [{ exact: 'http://good' }] }),
    client: preflight('http://good'),
  },
  {
    name: 'an origin that is matched by a star',
    config: cors({ ...FULL, allow_origin_string_match: [{ exact: '*' }] }),
    client: preflight('http://any'),
    expect: { client: /allow-origin: http:\/\/any/ },
  },
  {
    name: 'a matcher that ignores case',
    config: cors({
      ...FULL,
      allow_origin_string_match: [{ exact: 'HTTP://GOOD', ignore_case: true }],
    }),
    client: preflight('http://Good'),
  },
];

const responses: Row[] = [
  {
    name: 'a response for an allowed origin is marked',
    config: cors(FULL),
    client: get('origin: http://good'),
    expect: { client: /allow-origin: http:\/\/good/ },
  },
  {
    name: 'a response for another origin is not marked',
    config: cors(FULL),
    client: get('origin: http://bad'),
  },
  { name: 'a request without origin', config: cors(FULL), client: get() },
  { name: 'a request with an empty origin', config: cors(FULL), client: get('origin:') },
  {
    name: 'what the upstream says of origins is overwritten',
    config: cors(FULL),
    client: get('origin: http://good'),
    upstream:
      'HTTP/1.1 200 OK\r\naccess-control-allow-origin: u\r\naccess-control-expose-headers: u\r\ncontent-length: 0\r\n\r\n',
  },
  {
    name: 'what the upstream says of origins stays for another origin',
    config: cors(FULL),
    client: get('origin: http://bad'),
    upstream: 'HTTP/1.1 200 OK\r\naccess-control-allow-origin: u\r\ncontent-length: 0\r\n\r\n',
  },
  {
    name: 'a reply of our own is marked, too',
    config: {
      ...cors(FULL),
      virtualHost: {
        ...perFilter(FULL),
        routes: [{ match: { prefix: '/' }, direct_response: { status: 403 } }],
      },
    },
    client: get('origin: http://good'),
  },
  { name: 'no policy anywhere', config: cors(undefined), client: get('origin: http://good') },
  {
    name: 'two origins are one that is unknown',
    config: cors(FULL),
    client: get('origin: http://good', 'origin: http://good'),
  },
];

const levels: Row[] = [
  {
    name: 'an empty policy of the route takes all from the virtual host',
    config: cors(FULL, {}),
    client: preflight('http://good'),
    expect: { client: /access-control-max-age: 60/ },
  },
  {
    name: 'single fields of the route win',
    config: cors(FULL, { allow_methods: 'DELETE', max_age: '1', allow_credentials: false }),
    client: preflight('http://good'),
    expect: { client: /allow-methods: DELETE/ },
  },
  {
    name: 'origins of the route replace those of the virtual host',
    config: cors(FULL, { allow_origin_string_match: [{ exact: 'http://other' }] }),
    client: [get('origin: http://good'), { responses: 1 }, get('origin: http://other')],
  },
  {
    name: 'the route alone says whether the filter is on',
    config: cors({ ...FULL, filter_enabled: percent(0) }, {}),
    client: get('origin: http://good'),
    expect: { client: /allow-origin/ },
  },
  {
    name: 'the route switches it off',
    config: cors(FULL, { filter_enabled: percent(0) }),
    client: preflight('http://good'),
    expect: { log: / via_upstream / },
  },
  {
    name: 'in the shadow it only counts',
    config: cors({ ...FULL, filter_enabled: percent(0), shadow_enabled: percent(100) }),
    client: [get('origin: http://good'), { responses: 1 }, get('origin: http://bad')],
  },
  {
    name: 'shadow and on: on',
    config: cors({ ...FULL, shadow_enabled: percent(100) }),
    client: get('origin: http://good'),
  },
  {
    name: 'runtime switches it off',
    config: cors({ ...FULL, filter_enabled: percent(100, { runtime_key: 'never' }) }),
    client: get('origin: http://good'),
  },
  {
    name: 'runtime switches it on',
    config: cors({ ...FULL, filter_enabled: percent(0, { runtime_key: 'always' }) }),
    client: get('origin: http://good'),
  },
  {
    name: 'the deprecated field of a route',
    config: {
      httpFilters: [filterOf(NAME, 'filters.http.cors.v3.Cors')],
      route: { cors: FULL },
    },
    client: preflight('http://good'),
  },
];

export const suite = await differential(
  import.meta.url,
  {
    stats: ['http.CASE.cors.*'],
    bootstrap: {
      layered_runtime: {
        layers: [{ name: 'static', static_layer: { always: 100, never: 0 } }],
      },
    },
  },
  [...preflights, ...responses, ...levels],
);
