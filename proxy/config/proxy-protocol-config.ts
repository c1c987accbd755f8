// [b] Settings of the PROXY protocol, both ways, as plain data.
import type { AccessLogFormat } from './access-log-config.ts';

/** Which TLVs of a header are kept for the upstream's; `all`, or by type. */
export type PassedTlvs = 'all' | readonly number[];

/** Bytes (latin1 text), or a format that gives them for each connection. */
export type AddedTlvConfig =
  | { readonly type: number; readonly value: string }
  | { readonly type: number; readonly format: AccessLogFormat };

/** TLVs of tcp_proxy beside those of a header that came in: not at all, before them and in place of those of the same type, behind them. */
export type TlvMergePolicy = 'if absent' | 'overwrite' | 'append';

/** `proxy_protocol_tlvs` of tcp_proxy. */
export interface SessionTlvsConfig {
  readonly added: readonly AddedTlvConfig[];
  readonly policy: TlvMergePolicy;
}

/** A TLV that becomes dynamic metadata, or filter state. */
export interface TlvRuleConfig {
  readonly type: number;
  readonly namespace: string;
  readonly key: string;
  readonly encoding: 'utf8' | 'base64';
}

/** envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol */
export interface ProxyProtocolFilterConfig {
  readonly rules: readonly TlvRuleConfig[];
  readonly allowWithout: boolean;
  /** Undefined: none. */
  readonly passThroughTlvs: PassedTlvs | undefined;
  readonly allowV1: boolean;
  readonly allowV2: boolean;
  readonly statPrefix: string;
  readonly tlvsToFilterState: boolean;
}

/** envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, without what it wraps. */
export interface UpstreamProxyProtocolConfig {
  readonly version: 1 | 2;
  readonly passThroughTlvs: PassedTlvs | undefined;
  readonly addedTlvs: readonly AddedTlvConfig[];
}
