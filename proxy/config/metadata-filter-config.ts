// [b] Settings of the filters that write dynamic metadata, as plain data.
import type { RegexRewriteConfig } from './matcher-config.ts';

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
