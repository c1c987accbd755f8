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
  { note: 'cluster istio.metadata_exchange:', recordings: '', meaning: 'TCP peers are not told who calls' },
  { note: 'network filter istio.metadata_exchange:', recordings: '', meaning: 'TCP peers are not told who serves' },
  { note: 'http filter istio.metadata_exchange:', recordings: '', meaning: 'no x-envoy-peer-metadata headers' },
  { note: 'http filter istio.stats:', recordings: '', meaning: 'no istio_requests_total and kin' },
  { note: 'network filter istio.stats:', recordings: '', meaning: 'no istio_tcp_connections_opened_total and kin' },
  { note: 'http connection manager tracing spans:', recordings: '', meaning: 'no spans; trace headers pass' },
  { note: 'access log envoy.access_loggers.open_telemetry:', recordings: '09-telemetry', meaning: 'no OpenTelemetry access log' },
  { note: 'access log filter type.googleapis.com/envoy.extensions.access_loggers.filters.cel', recordings: '09-telemetry', meaning: 'CEL: every line is written' },
  { note: 'http filter envoy.filters.http.rbac: does nothing', recordings: '04-security', meaning: 'RBAC without an enforced rule: dry runs are not counted' },
  { note: 'http filter envoy.filters.http.rbac: does nothing', recordings: '13-extensions', meaning: 'RBAC without an enforced rule: dry runs are not counted' },
  { note: 'network filter envoy.filters.network.rbac: does nothing', recordings: '04-security', meaning: 'RBAC without an enforced rule: dry runs are not counted' },
  { note: 'network filter envoy.filters.network.rbac: does nothing', recordings: '13-extensions', meaning: 'RBAC without an enforced rule: dry runs are not counted' },
  { note: 'http filter envoy.filters.http.rbac: not enforced in this version, refuses', recordings: '04-security/reviews-v1', meaning: 'AuthorizationPolicy: refused until it is enforced' },
  { note: 'network filter envoy.filters.network.rbac: not enforced in this version, refuses', recordings: '04-security/reviews-v1', meaning: 'AuthorizationPolicy: refused until it is enforced' },
  { note: 'http filter envoy.filters.http.jwt_authn: not enforced', recordings: '04-security/reviews-v1', meaning: 'RequestAuthentication: refused until it is enforced' },
  { note: 'http filter envoy.filters.http.ext_authz: not enforced', recordings: '13-extensions', meaning: 'CUSTOM policy: refused until it is enforced' },
  { note: 'network filter envoy.filters.network.ext_authz: not enforced', recordings: '13-extensions', meaning: 'CUSTOM policy: refused until it is enforced' },
  { note: 'http filter extensions.istio.io/wasmplugin/default.auth-plugin: does nothing', recordings: '13-extensions/reviews-v1', meaning: 'WasmPlugin that fails open: passed' },
  { note: 'http filter extensions.istio.io/wasmplugin/default.count-plugin: not enforced', recordings: '13-extensions/reviews-v1', meaning: 'WasmPlugin that fails closed: refused' },
  { note: 'network filter envoy.filters.network.mongo_proxy:', recordings: '06-protocols', meaning: 'no Mongo statistics; bytes pass' },
];

/** Responses that the proxy never asks for. */
export const NOT_ASKED_FOR: readonly string[] = [
  'NDS (all recordings): names for the DNS proxy are the agent’s to ask for',
];

/** A line of the log that names something not done; the others tell of start and stop. */
export const isInertNote = (line: string): boolean => / in this version(, refuses .*)?$/.test(line);
