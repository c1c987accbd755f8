// [b] Settings of the filters that write dynamic metadata, as plain data.
import type { AccessLogFormat } from './access-log-config.ts';
import type { RegexRewriteConfig } from './matcher-config.ts';
import type { MetadataStruct } from './metadata-value.ts';

/** envoy.extensions.filters.http.header_to_metadata.v3.Config; as a per-route setting it replaces the filter's whole. */
export interface HeaderToMetadataConfig {
  readonly kind: 'header_to_metadata';
  /** '' for no stats. */
  readonly statPrefix: string;
  readonly requestRules: readonly HeaderToMetadataRuleConfig[];
  readonly responseRules: readonly HeaderToMetadataRuleConfig[];
}

export interface HeaderToMetadataRuleConfig {
  readonly source: 'header' | 'cookie';
  /** Lower-case for headers. */
  readonly name: string;
  readonly onPresent: HeaderToMetadataEntryConfig | undefined;
  readonly onMissing: HeaderToMetadataEntryConfig | undefined;
  /** Headers only. */
  readonly remove: boolean;
}

export interface HeaderToMetadataEntryConfig {
  readonly namespace: string;
  readonly key: string;
  /** '' stands for the value of the header or cookie. */
  readonly value: string;
  readonly rewrite: RegexRewriteConfig | undefined;
  readonly type: 'STRING' | 'NUMBER' | 'PROTOBUF_VALUE';
  readonly base64: boolean;
}

/** envoy.extensions.filters.http.set_metadata.v3.Config; on a route it is applied after the filter's own. */
export interface SetMetadataConfig {
  readonly kind: 'set_metadata';
  readonly entries: readonly SetMetadataEntryConfig[];
}

export interface SetMetadataEntryConfig {
  readonly namespace: string;
  readonly value: MetadataStruct;
  /** Merged into what the namespace holds; else it has to be empty. */
  readonly allowOverwrite: boolean;
}

/** envoy.extensions.filters.http.set_filter_state.v3.Config; all levels are applied, the filter's own first. */
export interface SetFilterStateConfig {
  readonly kind: 'set_filter_state';
  readonly entries: readonly SetFilterStateEntryConfig[];
  readonly clearRouteCache: boolean;
  /** An entry asks to be shared with upstream connections, which is not done. */
  readonly shared: boolean;
}

export interface SetFilterStateEntryConfig {
  readonly key: string;
  /** Kind of the object: a key of FILTER_STATE_OBJECTS. */
  readonly factory: FilterStateFactory;
  readonly format: AccessLogFormat;
  readonly skipIfEmpty: boolean;
}

/** Envoy's object factories that are built. */
export type FilterStateFactory =
  | 'envoy.bool'
  | 'envoy.filters.listener.original_dst.local_ip'
  | 'envoy.filters.listener.original_dst.remote_ip'
  | 'envoy.hashable_string'
  | 'envoy.network.application_protocols'
  | 'envoy.network.ip'
  | 'envoy.network.transport_socket.original_dst_address'
  | 'envoy.network.upstream_server_name'
  | 'envoy.network.upstream_subject_alt_names'
  | 'envoy.ratelimit.hits_addend'
  | 'envoy.string'
  | 'envoy.tcp_proxy.cluster'
  | 'envoy.tcp_proxy.disable_tunneling'
  | 'envoy.tcp_proxy.per_connection_idle_timeout_ms'
  | 'envoy.upstream.dynamic_host'
  | 'envoy.upstream.dynamic_port';
