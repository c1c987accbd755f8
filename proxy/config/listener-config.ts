// [b] Listeners, filter chains and their match as plain data (envoy.config.listener.v3).
import type { AccessLogConfig } from './access-log-config.ts';
import type { NetworkFilterConfig } from './network-filter-config.ts';
import type { ProxyProtocolFilterConfig } from './proxy-protocol-config.ts';
import type { SocketOptionConfig, TcpKeepaliveConfig } from './socket-config.ts';
import type { TransportSocketConfig } from './transport-socket-config.ts';

export type AddressConfig =
  | { readonly kind: 'ip'; readonly address: string; readonly port: number }
  | { readonly kind: 'pipe'; readonly path: string; readonly mode: number };

export interface CidrConfig {
  readonly address: string;
  readonly prefixLength: number;
}

export type TrafficDirection = 'UNSPECIFIED' | 'INBOUND' | 'OUTBOUND';

export interface ListenerConfig {
  readonly name: string;
  /** `version_info` of the resource; '' when static. */
  readonly version: string;
  /** Hash of the decoded content without `version`; equal hash means nothing changed, whatever order maps came in. */
  readonly hash: string;
  readonly address: AddressConfig;
  readonly additionalAddresses: readonly AddressConfig[];
  readonly bindToPort: boolean;
  /** Hands a connection to the listener of its original destination. */
  readonly useOriginalDst: boolean;
  readonly trafficDirection: TrafficDirection;
  readonly listenerFilters: readonly ListenerFilterConfig[];
  /** 0: no limit. Default 15 000. */
  readonly listenerFiltersTimeoutMs: number;
  readonly continueOnListenerFiltersTimeout: boolean;
  readonly filterChains: readonly FilterChainConfig[];
  readonly defaultFilterChain: FilterChainConfig | undefined;
  readonly accessLogs: readonly AccessLogConfig[];
  /** Default 1 MiB. */
  readonly perConnectionBufferLimitBytes: number;
  /** Connections that wait for accept(); the kernel has a limit of its own. Default: that limit. */
  readonly tcpBacklogSize: number;
  /** As in `listener.<this>.`; made from the address where not given. */
  readonly statPrefix: string;
  readonly drainType: 'DEFAULT' | 'MODIFY_ONLY';
  /** `metadata.filter_metadata` as JSON text by namespace; absent: none. */
  readonly metadata?: ReadonlyMap<string, string> | undefined;
  /** What the listening socket needs beyond an address; absent: nothing. */
  readonly socket?: ListenSocketConfig | undefined;
  /** One worker has the socket. Absent: each has one of its own. */
  readonly singleSocket?: boolean | undefined;
  /** Connections go to the worker with the fewest of them. Absent: the kernel's choice. */
  readonly exactBalance?: boolean | undefined;
  /** Absent: the limit of all connections counts here, too. */
  readonly ignoreGlobalLimit?: boolean | undefined;
  /** Things accepted that do nothing yet, for dumps. */
  readonly inert?: readonly string[] | undefined;
}

export interface ListenSocketConfig {
  /** Connections to addresses that are not the machine's own (TPROXY). */
  readonly transparent: boolean;
  /** The address need not be there yet. */
  readonly freebind: boolean;
  /** 0: off. */
  readonly fastOpenQueueLength: number;
  /** Undefined: off. */
  readonly keepalive: TcpKeepaliveConfig | undefined;
  readonly options: readonly SocketOptionConfig[];
}

export type ListenerFilterConfig = {
  readonly name: string;
  readonly disabled: ListenerFilterPredicate | undefined;
} & ListenerFilterSettings;

export type ListenerFilterSettings =
  | { readonly kind: 'original_dst' | 'http_inspector' }
  | TlsInspectorConfig
  /** `mark`: SO_MARK of upstream connections; 0: none. */
  | { readonly kind: 'original_src'; readonly mark: number }
  | { readonly kind: 'proxy_protocol'; readonly settings: ProxyProtocolFilterConfig };

export interface TlsInspectorConfig {
  readonly kind: 'tls_inspector';
  /** Fingerprints of client hellos, for logs; absent: not taken. */
  readonly ja3?: boolean | undefined;
  readonly ja4?: boolean | undefined;
  /** A hello that cannot be read closes the connection; absent: it is passed on as it is. */
  readonly strict?: boolean | undefined;
}

/** `filter_disabled`: port ranges are half open. */
export type ListenerFilterPredicate =
  | { readonly kind: 'any' }
  | { readonly kind: 'not'; readonly rule: ListenerFilterPredicate }
  | { readonly kind: 'or'; readonly rules: readonly ListenerFilterPredicate[] }
  | { readonly kind: 'and'; readonly rules: readonly ListenerFilterPredicate[] }
  | { readonly kind: 'destination_port'; readonly start: number; readonly end: number };

export interface FilterChainMatchConfig {
  readonly destinationPort: number | undefined;
  readonly prefixRanges: readonly CidrConfig[];
  /** Lower-case; exact or `*.suffix`. */
  readonly serverNames: readonly string[];
  /** '', 'tls' or 'raw_buffer'. */
  readonly transportProtocol: string;
  readonly applicationProtocols: readonly string[];
  readonly directSourcePrefixRanges: readonly CidrConfig[];
  readonly sourceType: 'ANY' | 'SAME_IP_OR_LOOPBACK' | 'EXTERNAL';
  readonly sourcePrefixRanges: readonly CidrConfig[];
  readonly sourcePorts: readonly number[];
}

export interface FilterChainConfig {
  /** Not unique within a listener (istiod repeats names). */
  readonly name: string;
  /** Hash of the chain's decoded content: an unchanged chain keeps its connections through an update. */
  readonly hash: string;
  readonly match: FilterChainMatchConfig;
  readonly transportSocket: TransportSocketConfig;
  /** 0: no limit. */
  readonly transportSocketConnectTimeoutMs: number;
  readonly networkFilters: readonly NetworkFilterConfig[];
}
