// [w] From the settings of a tcp_proxy to one that serves.
import type { TcpProxyConfig } from '../config/tcp-proxy-config.ts';
import type { ListenerConfig } from '../config/listener-config.ts';
import type { TerminalFilterFactory } from '../filters/network/network-filter.ts';
import { SessionTlvs } from '../filters/network/session-tlvs.ts';
import { TcpOnDemandStats, TcpProxyStats } from '../filters/network/tcp-proxy-stats.ts';
import { TcpProxyFactory } from '../filters/network/tcp-proxy.ts';
import { TcpRoutes } from '../filters/network/tcp-route.ts';
import { TunnelRequests } from '../filters/network/tcp-tunnel.ts';
import type { ChainBuilderParts } from './chain-builder.ts';

export function tcpProxy(
  config: TcpProxyConfig,
  listener: ListenerConfig,
  parts: ChainBuilderParts,
): TerminalFilterFactory {
  const { io, store, random, clusters } = parts;
  const logs = parts.createAccessLogs(config.accessLogs);
  return new TcpProxyFactory({
    config,
    routes: new TcpRoutes(config, random),
    tunnel:
      config.tunneling === undefined
        ? null
        : new TunnelRequests(config.tunneling, parts.routeEnvironment),
    clusters,
    stats: new TcpProxyStats(store, config.statPrefix),
    tlvs:
      config.proxyProtocolTlvs === undefined
        ? null
        : new SessionTlvs(config.proxyProtocolTlvs, parts.routeEnvironment.format),
    onDemand: config.onDemand && {
      config: config.onDemand,
      discovery: parts.asked.clusterDiscovery,
      stats: new TcpOnDemandStats(store, config.statPrefix),
    },
    log: {
      logs,
      options: config.accessLogOptions,
      needsMeter: listener.accessLogs.length > 0 || logs.some((log) => log.needsMeter),
    },
    time: io.time,
    random,
  });
}
