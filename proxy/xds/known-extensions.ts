// [m] Extensions known by the name of their type but not built: which do nothing (inert), which refuse what they guard.
// Anything in neither table, and not built, is a NACK.
import type { InertFilterConfig, RefusingFilterConfig } from '../config/http-filter-config.ts';
import type { TypedConfig } from './typed-config.ts';

/** HTTP filters that only observe, or whose absence no request can tell from their presence in a sidecar. */
export const INERT_HTTP_FILTERS: ReadonlySet<string> = new Set([
  // Istio's own (istio-contract §2.8).
  'io.istio.http.peer_metadata.Config',
  'stats.PluginConfig',
]);

/** HTTP filters that guard: every request they see is refused until they are built. */
export const REFUSED_HTTP_FILTERS: ReadonlySet<string> = new Set([
  'envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication',
  'envoy.extensions.filters.http.oauth2.v3.OAuth2',
  'envoy.extensions.filters.http.basic_auth.v3.BasicAuth',
  'envoy.extensions.filters.http.lua.v3.Lua',
]);

/** Per-route forms of the guards; each has its own way of saying "not here". */
export const REFUSED_PER_ROUTE: ReadonlySet<string> = new Set([
  'envoy.extensions.filters.http.basic_auth.v3.BasicAuthPerRoute',
  'envoy.extensions.filters.http.oauth2.v3.OAuth2',
]);

/** Network filters that only observe. */
export const INERT_NETWORK_FILTERS: ReadonlySet<string> = new Set([
  'envoy.tcp.metadataexchange.config.MetadataExchange',
  'envoy.extensions.network_filters.peer_metadata.Config',
  'stats.PluginConfig',
  // What databases say is passed on and not looked into (docs/differences.md).
  'envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy',
  'envoy.extensions.filters.network.mysql_proxy.v3.MySQLProxy',
  'envoy.extensions.filters.network.postgres_proxy.v3alpha.PostgresProxy',
  'envoy.extensions.filters.network.zookeeper_proxy.v3.ZooKeeperProxy',
  'envoy.extensions.filters.network.kafka_broker.v3.KafkaBroker',
]);

export const REFUSED_NETWORK_FILTERS: ReadonlySet<string> = new Set([
  'envoy.extensions.filters.network.ext_authz.v3.ExtAuthz',
]);

/** Upstream network filters of a cluster. */
export const INERT_CLUSTER_FILTERS: ReadonlySet<string> = new Set([
  'envoy.tcp.metadataexchange.config.MetadataExchange',
  'envoy.extensions.network_filters.peer_metadata.UpstreamConfig',
]);

/** Access loggers that write elsewhere. */
export const INERT_ACCESS_LOGGERS: ReadonlySet<string> = new Set([
  'envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig',
  'envoy.extensions.access_loggers.wasm.v3.WasmAccessLog',
]);

/** What guards and is not built: it refuses, unless the operator lets pass what is not enforced. */
export const unenforced = (
  config: TypedConfig,
  name: string,
): RefusingFilterConfig | InertFilterConfig =>
  config.problems.watch?.rules.passUnenforced === true
    ? inert(config.typeUrl)
    : refuse(config.typeUrl, name);

export const inert = (typeUrl: string): InertFilterConfig => ({ kind: 'inert', typeUrl });

export const refuse = (typeUrl: string, name: string, why?: string): RefusingFilterConfig => ({
  kind: 'refuse',
  typeUrl,
  reason: why ?? `${name} is not enforced by this version of Outrigger: what it guards is refused`,
});
