// [m] What istiod sends and the proxy does not do yet, by the words of the proxy's own log. A row goes when its feature is built.

export interface InertRow {
  /** What the proxy says, in part. */
  readonly note: string;
  /** Recordings that may have it, by the beginning of their name; '' is all. */
  readonly recordings: string;
  /** What its absence means to a user. */
  readonly meaning: string;
}

// prettier-ignore
export const INERT_ROWS: readonly InertRow[] = [
  { note: 'cluster: istio.metadata_exchange', recordings: '', meaning: 'TCP peers are not told who calls' },
  { note: 'filter istio.stats', recordings: '', meaning: 'no istio_requests_total and kin' },
  { note: 'filter istio.metadata_exchange (type.googleapis.com/envoy.tcp', recordings: '', meaning: 'TCP peers are not told who serves' },
  { note: 'filter istio.metadata_exchange (type.googleapis.com/io.istio', recordings: '', meaning: 'no x-envoy-peer-metadata headers' },
  { note: 'filter istio.alpn', recordings: '', meaning: 'matters only with TLS, which is not built' },
  { note: 'filter envoy.filters.http.rbac (', recordings: '04-security', meaning: 'RBAC without an enforced rule: dry runs are not counted' },
  { note: 'filter envoy.filters.http.rbac (', recordings: '13-extensions', meaning: 'RBAC without an enforced rule: dry runs are not counted' },
  { note: 'filter envoy.filters.network.rbac (', recordings: '13-extensions', meaning: 'RBAC without an enforced rule: dry runs are not counted' },
  { note: 'filter envoy.filters.network.rbac (', recordings: '04-security', meaning: 'RBAC without an enforced rule: dry runs are not counted' },
  { note: 'filter envoy.filters.http.rbac refuses every request', recordings: '04-security/reviews-v1', meaning: 'AuthorizationPolicy: refused until it is enforced' },
  { note: 'filter envoy.filters.network.rbac closes every connection', recordings: '04-security/reviews-v1', meaning: 'AuthorizationPolicy: refused until it is enforced' },
  { note: 'filter envoy.filters.http.jwt_authn refuses every request', recordings: '04-security/reviews-v1', meaning: 'RequestAuthentication: refused until it is enforced' },
  { note: 'filter envoy.filters.http.ext_authz refuses every request', recordings: '13-extensions', meaning: 'CUSTOM policy: refused until it is enforced' },
  { note: 'filter envoy.filters.network.ext_authz closes every connection', recordings: '13-extensions', meaning: 'CUSTOM policy: refused until it is enforced' },
  { note: 'filter extensions.istio.io/wasmplugin/default.auth-plugin refuses every request', recordings: '13-extensions/reviews-v1', meaning: 'WasmPlugin over ECDS: neither is built' },
  { note: 'filter extensions.istio.io/wasmplugin/default.count-plugin refuses every request', recordings: '13-extensions/reviews-v1', meaning: 'WasmPlugin over ECDS: neither is built' },
  { note: 'filter envoy.filters.network.mongo_proxy', recordings: '06-protocols', meaning: 'no Mongo statistics; bytes pass' },
  { note: 'cluster: outlier_detection', recordings: '05-resilience', meaning: 'hosts are not ejected' },
  { note: 'cluster: slow_start_config', recordings: '05-resilience', meaning: 'new hosts get their full share at once' },
  { note: 'cluster: ring_hash_lb_config', recordings: '05-resilience', meaning: 'consistent hash: another policy stands in' },
  { note: 'cluster: maglev_lb_config', recordings: '05-resilience', meaning: 'consistent hash: another policy stands in' },
  { note: 'cluster: locality_weighted_lb_config', recordings: '05-resilience', meaning: 'localities are not weighted' },
];

/** Responses that the proxy never asks for. */
export const NOT_ASKED_FOR: readonly string[] = [
  'NDS (all recordings): names for the DNS proxy are the agent’s to ask for',
  'ECDS (13-extensions/reviews-v1): extension discovery is not built, its filters refuse',
];

/** A line of the log that names something not done; the others tell of start and stop. */
export const isInertNote = (line: string): boolean =>
  /accepted and does nothing yet|refuses every request|closes every connection/.test(line);
