// [b] Network filters of a chain as plain data: one tagged shape per filter that is built.
import type { FeatureFlagConfig } from './compression-config.ts';
import type { DnsCacheConfig } from './dns-cache-config.ts';
import type { DiscoveredFilterConfig } from './discovered-filter-config.ts';
import type { HttpConnectionManagerConfig } from './http-connection-manager-config.ts';
import type { TokenBucketConfig } from './local-rate-limit-config.ts';
import type { SetFilterStateConfig } from './metadata-filter-config.ts';
import type { TcpProxyConfig } from './tcp-proxy-config.ts';

export type NetworkFilterConfig =
  | DiscoveredNetworkFilterConfig
  | TerminalNetworkFilterConfig
  | GateConfig
  | {
      readonly kind: 'sni_forward_proxy';
      readonly name: string;
      readonly settings: SniForwardProxyConfig;
    }
  /** Istio's own, or of a database: known but not built, passes everything. */
  | { readonly kind: 'inert'; readonly name: string; readonly typeUrl: string }
  /** A security filter that is not enforced yet: closes the connection. */
  | {
      readonly kind: 'refuse';
      readonly name: string;
      readonly typeUrl: string;
      readonly reason: string;
    };

/** Its settings come by ECDS. */
export interface DiscoveredNetworkFilterConfig extends DiscoveredFilterConfig<NetworkFilterConfig> {
  readonly name: string;
}

/** The last filter of a chain. */
export type TerminalNetworkFilterConfig =
  | {
      readonly kind: 'http_connection_manager';
      readonly name: string;
      readonly settings: HttpConnectionManagerConfig;
    }
  | { readonly kind: 'tcp_proxy'; readonly name: string; readonly settings: TcpProxyConfig }
  | { readonly kind: 'echo'; readonly name: string }
  /** `text`: what every client is told; byte string. */
  | { readonly kind: 'direct_response'; readonly name: string; readonly text: string };

/** Filters before the last one: asked once for each new connection, which they may refuse. */
export type GateConfig =
  | { readonly kind: 'sni_cluster'; readonly name: string }
  | {
      readonly kind: 'connection_limit';
      readonly name: string;
      readonly settings: ConnectionLimitConfig;
    }
  | {
      readonly kind: 'network_rate_limit';
      readonly name: string;
      readonly settings: NetworkRateLimitConfig;
    }
  | {
      readonly kind: 'connection_filter_state';
      readonly name: string;
      readonly settings: SetFilterStateConfig;
    };

/** envoy.filters.network.sni_dynamic_forward_proxy: holds connections until the name in their hello is resolved. */
export interface SniForwardProxyConfig {
  readonly cache: DnsCacheConfig;
  /** Default 443. */
  readonly port: number;
}

export interface ConnectionLimitConfig {
  readonly statPrefix: string;
  /** Of the chain, in all workers. */
  readonly maxConnections: number;
  /** How long a connection too many is held; undefined: closed at once. */
  readonly delayMs: number | undefined;
  readonly enabled: FeatureFlagConfig;
}

export interface NetworkRateLimitConfig {
  readonly statPrefix: string;
  readonly tokenBucket: TokenBucketConfig;
  readonly enabled: FeatureFlagConfig;
}
