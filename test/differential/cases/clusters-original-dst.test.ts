// ORIGINAL_DST: where a host's address comes from (envoy-behaviour §7.1). The port is overridden by that of the upstream, so that
// rows can say any.
import { filterOf } from '../../support/proxy-process.ts';
import { differential } from '../differential.ts';
import { get, inTurn } from '../requests.ts';
import type { CaseConfig, Json, Row } from '../row.ts';

const original = (settings: Json = {}, more: Json = {}): Json => ({
  type: 'ORIGINAL_DST',
  lb_policy: 'CLUSTER_PROVIDED',
  load_assignment: null,
  original_dst_lb_config: { upstream_port_override: 'PORT(up)', ...settings },
  ...more,
});

const config = (settings: Json = {}, more: CaseConfig = {}, route: Json = {}): CaseConfig => ({
  clusters: { dst: original(settings) },
  routes: [{ match: { prefix: '/' }, route: { cluster: 'CASE-dst', ...route } }],
  ...more,
});

const HEADER = { use_http_header: true };
const to = (value: string): string => `x-envoy-original-dst-host: ${value}`;
const metadata = (value: unknown): readonly Json[] => [
  filterOf('set_metadata', 'filters.http.set_metadata.v3.Config', {
    metadata: [{ metadata_namespace: 'ns', value: { a: { b: value } } }],
  }),
];
const METADATA = { metadata_key: { key: 'ns', path: [{ key: 'a' }, { key: 'b' }] } };

const rows: readonly Row[] = [
  {
    name: 'the header names the host',
    config: config(HEADER),
    client: inTurn(get('/1', to('127.0.0.1:80')), get('/2', to('127.0.0.1:81'))),
  },
  ...['', '127.0.0.1', 'host:80', '127.0.0.1:99999', '127.0.0.1:80x', '::1:80', '300.0.0.1:80'].map(
    (value): Row => ({
      name: `a header '${value}' that names nobody`,
      config: config(HEADER),
      client: [get('/', to(value))],
      expect: { status: 503 },
    }),
  ),
  {
    name: 'no header at all',
    config: config(HEADER),
    client: [get('/')],
    expect: { status: 503 },
  },
  {
    name: 'the header means nothing unless asked for',
    config: config(),
    client: [get('/', to('127.0.0.1:80'))],
    expect: { status: 503 },
  },
  {
    name: 'a header of another name',
    config: config({ ...HEADER, http_header_name: 'X-Where' }),
    client: inTurn(get('/1', 'x-where: 127.0.0.1:80'), get('/2', to('127.0.0.1:80'))),
  },
  {
    name: 'the first of two headers counts',
    config: config(HEADER),
    client: [get('/', to('127.0.0.1:80'), to('nonsense'))],
  },
  {
    name: 'metadata names the host',
    config: config(METADATA, { httpFilters: metadata('127.0.0.1:80') }),
    client: [get('/')],
    expect: { status: 200 },
  },
  {
    name: 'metadata goes before the header',
    config: config({ ...METADATA, ...HEADER }, { httpFilters: metadata('127.0.0.1:80') }),
    client: [get('/', to('nonsense'))],
    expect: { status: 200 },
  },
  {
    name: 'metadata that is no address leaves it to the header',
    config: config({ ...METADATA, ...HEADER }, { httpFilters: metadata('nonsense') }),
    client: [get('/', to('127.0.0.1:80'))],
    expect: { status: 200 },
  },
  {
    name: 'metadata that is no text leaves it to the header',
    config: config({ ...METADATA, ...HEADER }, { httpFilters: metadata(80) }),
    client: [get('/', to('127.0.0.1:80'))],
    expect: { status: 200 },
  },
  {
    name: 'the host of the request becomes the name of the host where asked for',
    config: config(HEADER, {}, { auto_host_rewrite: true }),
    client: [get('/', to('127.0.0.1:80'))],
    mask: [[/CASE-dst127\.0\.0\.1:\d+/, 'CASE-dst127.0.0.1:PORT']],
  },
];

export const suite = await differential(
  import.meta.url,
  {
    stats: [
      'cluster.CASE-dst.original_dst_host_invalid',
      'cluster.CASE-dst.membership_total',
      'cluster.CASE-dst.membership_change',
      'cluster.CASE-dst.upstream_cx_none_healthy',
      'cluster.CASE-dst.upstream_rq_total',
    ],
  },
  rows,
);
