// What rows about external authorization are made of.
import { filterOf } from '../../support/proxy-process.ts';
import type { CaseConfig, Json, SuiteOptions, Upstream } from '../row.ts';

const NAME = 'envoy.filters.http.ext_authz';
const PACKAGE = 'filters.http.ext_authz.v3';
export const percent = (numerator: number, more: Json = {}) => ({
  default_value: { numerator },
  ...more,
});
export const names = (...list: readonly string[]) => ({
  patterns: list.map((exact) => ({ exact })),
});
export const uri = (cluster: string, timeout = '5s') => ({
  server_uri: { uri: 'http://authz', cluster, timeout },
});

export const authz = (
  settings: Json = {},
  service: Json = {},
  more: CaseConfig = {},
): CaseConfig => ({
  httpFilters: [
    filterOf(NAME, `${PACKAGE}.ExtAuthz`, {
      http_service: { ...uri('CASE-authz'), ...service },
      ...settings,
    }),
  ],
  ...more,
});
export const perRoute = (settings: Json): Json => ({
  typed_per_filter_config: {
    [NAME]: {
      '@type': `type.googleapis.com/envoy.extensions.${PACKAGE}.ExtAuthzPerRoute`,
      ...settings,
    },
  },
});
export const retry = (more: Json) => ({
  retry_policy: { retry_back_off: { base_interval: '0.01s', max_interval: '2s' }, ...more },
});
export const body = (more: Json = {}) => ({ with_request_body: { max_request_bytes: 5, ...more } });

export const get = (path = '/', ...lines: readonly string[]): string =>
  `GET ${path} HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
export const post = (text: string, ...lines: readonly string[]): string =>
  `POST / HTTP/1.1\r\nhost: h\r\n${lines.map((line) => `${line}\r\n`).join('')}content-length: ${text.length}\r\n\r\n${text}`;
export const chunked = (...chunks: readonly string[]): string =>
  `POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n${chunks
    .map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`)
    .join('')}0\r\n\r\n`;
export const answer = (status: string, lines: readonly string[] = [], text = ''): string =>
  `HTTP/1.1 ${status}\r\n${lines.map((line) => `${line}\r\n`).join('')}content-length: ${text.length}\r\n\r\n${text}`;
export const YES = answer('200 OK');
export const says = (
  upstream: Upstream,
): { readonly upstreams: Readonly<Record<string, Upstream>> } => ({
  upstreams: { authz: upstream },
});
export const DENIAL = answer(
  '401 Unauthorized',
  ['www-authenticate: Basic', 'set-cookie: a=1', 'set-cookie: b=2', 'x-c: 1'],
  'denied!',
);

export const AUTHZ_SUITE: SuiteOptions = {
  stats: [
    'http.CASE.ext_authz.*',
    'cluster.CASE-up.ext_authz.*',
    'cluster.CASE-up.upstream_rq_4xx',
    'cluster.CASE-up.internal.*',
    'cluster.CASE-up.upstream_rq_completed',
    'cluster.CASE-authz.upstream_rq_total',
  ],
  bootstrap: {
    layered_runtime: { layers: [{ name: 'static', static_layer: { never: 0, yes: true } }] },
  },
};
