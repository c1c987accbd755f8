// [w] What all sessions of one tcp_proxy share.
import type { RandomSource } from '../../base/random.ts';
import type { TimeSource } from '../../base/clock.ts';
import type { TcpProxyConfig } from '../../config/tcp-proxy-config.ts';
import { RequestHeaders } from '../../http/header-map.ts';
import type { ThreadLocalClusterManager } from '../../upstream/thread-local-cluster.ts';
import type { OnDemandClustersConfig } from '../../config/on-demand-config.ts';
import type { ClusterDiscovery } from '../../upstream/cluster-discovery.ts';
import type { TcpOnDemandStats, TcpProxyStats } from './tcp-proxy-stats.ts';
import type { SessionTlvs } from './session-tlvs.ts';
import type { TcpRoutes } from './tcp-route.ts';
import type { TunnelRequests } from './tcp-tunnel.ts';
import type { TcpLogSettings } from './tcp-session-log.ts';

/** What is asked with the headers of a request has none here. */
export const NO_HEADERS = new RequestHeaders();

export interface TcpOnDemand {
  readonly config: OnDemandClustersConfig;
  readonly discovery: ClusterDiscovery;
  readonly stats: TcpOnDemandStats;
}

export interface TcpProxyContext {
  readonly config: TcpProxyConfig;
  readonly routes: TcpRoutes;
  readonly clusters: ThreadLocalClusterManager;
  /** Null: upstreams get the bytes as they are. */
  readonly tunnel: TunnelRequests | null;
  readonly stats: TcpProxyStats;
  /** Null: none are added. */
  readonly tlvs: SessionTlvs | null;
  /** Clusters that are not there are asked for; undefined: they end the connection. */
  readonly onDemand: TcpOnDemand | undefined;
  readonly log: TcpLogSettings;
  readonly time: TimeSource;
  readonly random: RandomSource;
}
