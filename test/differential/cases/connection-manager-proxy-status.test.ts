// The Proxy-Status header (RFC 9209) as proxy_status_config asks for it.
import { differential } from '../differential.ts';
import type { Json, Row } from '../row.ts';

const get = (path: string, ...lines: readonly string[]): string =>
  `GET ${path} HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const GRPC =
  'POST /refused HTTP/1.1\r\nhost: h\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n';

const routes: readonly Json[] = [
  { match: { prefix: '/nohost' }, route: { cluster: 'CASE-empty' } },
  { match: { prefix: '/refused' }, route: { cluster: 'CASE-dead' } },
  { match: { prefix: '/nocluster' }, route: { cluster: 'nonesuch' } },
  { match: { prefix: '/up' }, route: { cluster: 'CASE-up' } },
  { match: { prefix: '/slow' }, route: { cluster: 'CASE-up', timeout: '0.1s' } },
  { match: { prefix: '/direct' }, direct_response: { status: 503 } },
  {
    match: { prefix: '/retried' },
    route: {
      cluster: 'CASE-dead',
      retry_policy: { retry_on: 'connect-failure', num_retries: 1 },
    },
  },
];

const row = (name: string, status: Json, client: Row['client'], more: Partial<Row> = {}): Row => ({
  name,
  config: { hcm: { proxy_status_config: status } },
  upstreams: { dead: { refuses: true } },
  client,
  ...more,
});
const RECOMMENDED = { set_recommended_response_code: true };
const PLACES = ['/nohost', '/refused', '/nocluster', '/nowhere', '/direct', '/retried'];

const rows: readonly Row[] = [
  ...PLACES.map((path) => row(path, {}, get(path))),
  ...PLACES.map((path) => row(`${path} with the recommended status`, RECOMMENDED, get(path))),
  row('an answer of the upstream has none', {}, get('/up'), {
    upstream: 'HTTP/1.1 503 No\r\nproxy-status: other\r\ncontent-length: 0\r\n\r\n',
  }),
  row('a time-out', RECOMMENDED, [get('/slow'), { responses: 1 }], { upstream: [] }),
  row('an upstream that is not understood', RECOMMENDED, get('/up'), {
    upstream: ['garbage\r\n\r\n'],
  }),
  row(
    'a client that is not understood gets none',
    RECOMMENDED,
    'GET / HTTP/1.1\r\nbad header\r\n\r\n',
  ),
  row('no details', { remove_details: true }, get('/refused')),
  row('no flags', { remove_response_flags: true }, get('/refused')),
  row('the name of the node', { use_node_id: true }, get('/refused')),
  row('use_node_id: false is the same', { use_node_id: false }, get('/refused')),
  row('a name of its own', { literal_proxy_name: 'lit' }, get('/refused')),
  row('gRPC', {}, GRPC),
  row('gRPC with the recommended status', RECOMMENDED, GRPC),
  {
    ...row('its place among the headers', {}, get('/refused', 'x-request-id: q')),
    config: {
      hcm: {
        proxy_status_config: {},
        server_name: 'srv',
        via: 'v',
        always_set_request_id_in_response: true,
      },
    },
  },
];

export const suite = await differential(
  import.meta.url,
  { config: { routes, clusters: { empty: {} } }, log: '%RESPONSE_CODE% %RESP(PROXY-STATUS)%' },
  rows,
);
