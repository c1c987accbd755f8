// What the rows of time-outs, retries, mirrors and redirects share.
import type { CaseConfig, Json, Row } from '../row.ts';

/** Without a body. */
export const answer = (status: string, ...lines: string[]): string =>
  [`HTTP/1.1 ${status}`, ...lines, 'content-length: 0', '', ''].join('\r\n');

export const OK = answer('200 OK');

export const get = (...lines: string[]): string =>
  ['GET / HTTP/1.1', 'host: h', ...lines, '', ''].join('\r\n');

/** A request whose x-envoy headers are trusted. */
export const inside = (...lines: string[]): string => get('x-forwarded-for: 10.0.0.9', ...lines);

/** Never more than a millisecond. */
export const QUICK = { base_interval: '0.001s', max_interval: '0.002s' };

export const INSIDE_CLIENTS: CaseConfig = {
  hcm: {
    internal_address_config: { cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] },
  },
};

/** A connection that proves to be dead costs its request, as in Envoy (docs/stale-connections.md). */
export const ENVOYS_REUSE: CaseConfig = {
  routeMore: { metadata: { filter_metadata: { outrigger: { replay_stale: false } } } },
};

export const STATS: readonly string[] = [
  'cluster.CASE-up.upstream_rq*',
  'cluster.CASE-up.upstream_internal*',
  'cluster.CASE-up.retry*',
  'cluster.CASE-up.external*',
  'cluster.CASE-up.internal*',
  'http.CASE.rq_*',
  'http.CASE.passthrough*',
  'http.CASE.downstream_rq_*',
];

/** What is left of 15 s at a later attempt varies. */
const LEFT = [/(x-envoy-expected-rq-timeout-ms: )(?:1[45]\d\d\d|LESS)/g, '$1LEFT'] as const;

export const whateverIsLeft = (rows: readonly Row[]): readonly Row[] =>
  rows.map((row) => ({ ...row, mask: [...(row.mask ?? []), LEFT] }));

/** Nobody answers. */
export const silent = (route: Json, ...lines: string[]): Omit<Row, 'name'> => ({
  config: { route },
  client: [inside(...lines), { responses: 1 }],
  upstream: [],
});

/** Only what the upstream is told counts. */
export const told = (config: CaseConfig, ...lines: string[]): Omit<Row, 'name'> => ({
  config,
  client: inside(...lines),
});
