// [w] Joins the layers for one filter chain: settings to connection manager or tcp_proxy with everything they need.
import { ScopedRoutes } from '../router/scoped-routes.ts';
import { StringMatcher } from '../router/string-matcher.ts';
import type { TokenMatcher } from '../http/conn-manager-context.ts';
import { ConfigError } from '../config/config-error.ts';
import { subscriptionKey } from '../config/config-source.ts';
import { routeRef } from '../config/http-connection-manager-config.ts';
import type { HttpConnectionManagerConfig } from '../config/http-connection-manager-config.ts';
import type { AccessLogConfig } from '../config/access-log-config.ts';
import type { FilterChainConfig, ListenerConfig } from '../config/listener-config.ts';
import type { RouteConfig } from '../config/route-config.ts';
import type { TcpProxyConfig } from '../config/tcp-proxy-config.ts';
import type { RandomSource } from '../base/random.ts';
import type { Runtime } from '../base/runtime.ts';
import type { Logger } from '../base/logger.ts';
import type { FilterEnvironment } from '../access-log/access-log-filter.ts';
import type { ServerHealth } from '../filters/factory-context.ts';
import { createHttpFilterFactory } from '../filters/registry.ts';
import { EarlyMutation } from '../filters/network/early-mutation.ts';
import { HttpConnectionManagerFactory } from '../filters/network/http-connection-manager.ts';
import { MissingFilterFactory } from '../filters/network/missing-settings.ts';
import { ConfiguredReplyRewriter } from '../filters/network/local-reply-rewriter.ts';
import type { TerminalFilterFactory } from '../filters/network/network-filter.ts';
import { GatedFilterFactory } from '../filters/network/network-gate.ts';
import type { NetworkGate } from '../filters/network/network-gate.ts';
import { ConnectionLimit } from '../filters/network/connection-limit.ts';
import {
  ConnectionFilterState,
  ConnectionRateLimit,
  SniCluster,
} from '../filters/network/connection-gates.ts';
import { DirectResponseFactory, EchoFactory } from '../filters/network/own-answers.ts';
import { SharedTokenBucket } from '../filters/http/shared-token-bucket.ts';
import type { GateConfig, SniForwardProxyConfig } from '../config/network-filter-config.ts';
import { SniForwardProxyFactory } from '../filters/network/sni-forward-proxy.ts';
import { TcpProxyFactory } from '../filters/network/tcp-proxy.ts';
import { SessionTlvs } from '../filters/network/session-tlvs.ts';
import { TcpOnDemandStats, TcpProxyStats } from '../filters/network/tcp-proxy-stats.ts';
import { TunnelRequests } from '../filters/network/tcp-tunnel.ts';
import { TcpRoutes } from '../filters/network/tcp-route.ts';
import type { AccessLog } from '../http/conn-manager-context.ts';
import { ConnManagerStats } from '../http/conn-manager-stats.ts';
import { Http2Stats } from '../http/http2/http2-stats.ts';
import type { SessionSettings } from '../http/http2/endpoint.ts';
import { TraceDecider } from '../http/trace-decision.ts';
import { RequestMutator } from '../http/conn-manager-utility.ts';
import { ProxyStatus } from '../http/proxy-status.ts';
import { DateHeader } from '../http/date-header.ts';
import type { RouteProvider } from '../http/route-provider.ts';
import type { ChainBuilder } from '../listener-manager/active-chain.ts';
import type { ChainDrainState } from '../listener-manager/drain-state.ts';
import type { SharedCounts } from '../filters/shared-counts.ts';
import type { TokenBucketMemory } from '../filters/token-bucket-memory.ts';
import type { IoThread } from '../network/io-thread.ts';
import type { RouteEnvironment } from '../router/route-environment.ts';
import { CompiledRouteTable } from '../router/route-table.ts';
import { RouteTableSlot } from '../router/route-table-slot.ts';
import type { StatsStore } from '../stats/store.ts';
import type { ServerTlsContext } from '../tls/server-tls-context.ts';
import type { TlsContexts } from '../tls/tls-contexts.ts';
import type { AskedOfMain } from './asked-of-main.ts';
import type { ThreadLocalClusterManager } from '../upstream/thread-local-cluster.ts';

export interface ChainBuilderParts {
  readonly io: IoThread;
  readonly store: StatsStore;
  readonly random: RandomSource;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly clusters: ThreadLocalClusterManager;
  readonly tls: TlsContexts;
  readonly routeEnvironment: RouteEnvironment;
  readonly logFilters: FilterEnvironment;
  readonly tokenBuckets: TokenBucketMemory;
  readonly sharedCounts: SharedCounts;
  readonly serverHealth: ServerHealth;
  readonly asked: Pick<AskedOfMain, 'forwardHosts' | 'clusterDiscovery'>;
  readonly node: {
    readonly ip: string;
    readonly cluster: string;
    readonly id: string;
    /** '' where the node has no locality. */
    readonly zone: string;
  };
  /** Slot of an RDS configuration; made when first asked for. */
  routeSlot(name: string): RouteTableSlot;
  createAccessLogs(configs: readonly AccessLogConfig[]): readonly AccessLog[];
}

export class WorkerChainBuilder implements ChainBuilder {
  readonly #parts: ChainBuilderParts;
  readonly #date: DateHeader;

  constructor(parts: ChainBuilderParts) {
    this.#parts = parts;
    this.#date = new DateHeader(parts.io.time);
  }

  build(
    chain: FilterChainConfig,
    listener: ListenerConfig,
    drain: ChainDrainState,
  ): TerminalFilterFactory | string {
    try {
      return this.#build(chain, listener, drain);
    } catch (error) {
      // Main compiled it once before and would have refused it; should that ever differ, the chain alone is closed.
      if (error instanceof ConfigError) return error.message;
      throw error;
    }
  }

  buildTls(
    { transportSocket }: FilterChainConfig,
    { statPrefix }: ListenerConfig,
  ): ServerTlsContext | null {
    if (transportSocket.kind !== 'tls' || transportSocket.settings.side !== 'downstream')
      return null;
    return this.#parts.tls.server(transportSocket.settings, `listener.${statPrefix}`);
  }

  #build(
    chain: FilterChainConfig,
    listener: ListenerConfig,
    drain: ChainDrainState,
  ): TerminalFilterFactory | string {
    const gates: NetworkGate[] = [];
    let held: SniForwardProxyConfig | undefined;
    const ends = (terminal: TerminalFilterFactory): TerminalFilterFactory =>
      behind(
        gates,
        held === undefined
          ? terminal
          : new SniForwardProxyFactory(held, this.#parts.asked.forwardHosts, terminal),
      );
    for (const filter of chain.networkFilters) {
      switch (filter.kind) {
        case 'refuse':
          return filter.reason;
        case 'discovered':
          return new MissingFilterFactory(this.#parts.store, listener.statPrefix);
        case 'inert':
          continue;
        case 'http_connection_manager':
          return ends(this.#connManager(filter.settings, listener, drain));
        case 'tcp_proxy':
          return ends(this.#tcpProxy(filter.settings, listener));
        case 'echo':
          return ends(new EchoFactory());
        case 'direct_response':
          return ends(new DirectResponseFactory(filter.text));
        case 'sni_forward_proxy':
          held = filter.settings;
          continue;
        default:
          gates.push(
            this.#gate(filter, `${listener.name} ${JSON.stringify(chain.match)} ${gates.length}`),
          );
      }
    }
    return 'the chain has no filter that ends it (http_connection_manager or tcp_proxy)';
  }

  /** `identity`: the same in all workers and through updates in place, and no other filter's. */
  #gate(filter: GateConfig, identity: string): NetworkGate {
    const { store, runtime, sharedCounts, tokenBuckets, routeEnvironment, io } = this.#parts;
    switch (filter.kind) {
      case 'sni_cluster':
        return new SniCluster();
      case 'connection_limit': {
        const count = sharedCounts.of(`connection_limit ${identity}`);
        return new ConnectionLimit(filter.settings, { store, runtime, count });
      }
      case 'network_rate_limit': {
        const { tokenBucket } = filter.settings;
        const words = tokenBuckets.wordsFor(tokenBucket);
        const bucket = new SharedTokenBucket(tokenBucket, words, io.time);
        return new ConnectionRateLimit(filter.settings, { store, runtime, bucket });
      }
      case 'connection_filter_state':
        return new ConnectionFilterState(filter.settings, routeEnvironment.format, io.time);
    }
  }

  #connManager(
    config: HttpConnectionManagerConfig,
    listener: ListenerConfig,
    drain: ChainDrainState,
  ): TerminalFilterFactory {
    const { io, store, random, runtime, clusters, node, log } = this.#parts;
    const { routeEnvironment, tokenBuckets, sharedCounts, asked } = this.#parts;
    const filterContext = {
      clusters,
      stats: store,
      statPrefix: config.statPrefix,
      timers: io.timers,
      time: io.time,
      random,
      runtime,
      routeEnvironment,
      tokenBuckets,
      sharedCounts,
      log,
      serviceCluster: node.cluster,
      nodeIp: node.ip,
      zone: node.zone,
      server: this.#parts.serverHealth,
      ...asked,
      bufferLimitBytes: listener.perConnectionBufferLimitBytes,
    };
    const logs: AccessLog[] = [];
    const createAccessLogs = (configs: readonly AccessLogConfig[]): readonly AccessLog[] => {
      const created = this.#parts.createAccessLogs(configs);
      logs.push(...created);
      return created;
    };
    const factories = config.httpFilters.map((filter) =>
      createHttpFilterFactory(filter, { ...filterContext, createAccessLogs }),
    );
    const accessLogs = createAccessLogs(config.accessLogs);
    const stats = new ConnManagerStats(store, config.statPrefix, listener.statPrefix);
    return new HttpConnectionManagerFactory({
      config,
      stats,
      mutator: new RequestMutator(config, node, this.#earlyMutation(config)),
      routes: this.#routes(config),
      filterFactories: factories,
      accessLogs,
      metersStreams: logs.some((log) => log.needsMeter),
      localReply: this.#localReply(config),
      ignoredUpgrades: ignoredUpgrades(config),
      proxyStatus:
        config.proxyStatus === undefined
          ? null
          : new ProxyStatus(config.proxyStatus, { server: config.serverName, node: node.id }),
      tracer: this.#tracer(config, stats, listener),
      clusterConfig: (name) => clusters.get(name)?.config ?? null,
      date: this.#date,
      time: io.time,
      random,
      drain,
      http2: lazyHttp2(config, store, random),
    });
  }

  #tracer(
    config: HttpConnectionManagerConfig,
    stats: ConnManagerStats,
    listener: ListenerConfig,
  ): TraceDecider | null {
    if (config.tracing === undefined) return null;
    const { runtime, random } = this.#parts;
    return new TraceDecider(
      {
        sampling: config.tracing,
        egress: listener.trafficDirection === 'OUTBOUND',
        packReason: config.packTraceReason,
        sampleById: config.sampleByRequestId,
      },
      { runtime, random, stats },
    );
  }

  #earlyMutation({ earlyHeaderMutations }: HttpConnectionManagerConfig): EarlyMutation | null {
    if (earlyHeaderMutations.length === 0) return null;
    return new EarlyMutation(earlyHeaderMutations, this.#parts.routeEnvironment);
  }

  #localReply({ localReply }: HttpConnectionManagerConfig): ConfiguredReplyRewriter | null {
    if (localReply === undefined) return null;
    const { routeEnvironment, logFilters } = this.#parts;
    return new ConfiguredReplyRewriter(localReply, {
      routes: routeEnvironment,
      filters: logFilters,
    });
  }

  #routes(config: HttpConnectionManagerConfig): RouteProvider {
    const { routes } = config;
    switch (routes.kind) {
      case 'rds':
        return this.#parts.routeSlot(subscriptionKey(routeRef(routes)));
      case 'inline':
        return this.#inlineRoutes(routes.config);
      case 'scoped': {
        const { source } = routes.tables;
        return new ScopedRoutes(routes, ({ table, inline }) =>
          inline === undefined
            ? this.#parts.routeSlot(subscriptionKey({ name: table, source }))
            : this.#inlineRoutes(inline),
        );
      }
    }
  }

  #inlineRoutes(table: RouteConfig): RouteProvider {
    const slot = new RouteTableSlot();
    slot.update(new CompiledRouteTable(table, this.#parts.routeEnvironment));
    return slot;
  }

  #tcpProxy(config: TcpProxyConfig, listener: ListenerConfig): TerminalFilterFactory {
    const { io, store, random, clusters } = this.#parts;
    const logs = this.#parts.createAccessLogs(config.accessLogs);
    return new TcpProxyFactory({
      config,
      routes: new TcpRoutes(config, random),
      tunnel:
        config.tunneling === undefined
          ? null
          : new TunnelRequests(config.tunneling, this.#parts.routeEnvironment),
      clusters,
      stats: new TcpProxyStats(store, config.statPrefix),
      tlvs:
        config.proxyProtocolTlvs === undefined
          ? null
          : new SessionTlvs(config.proxyProtocolTlvs, this.#parts.routeEnvironment.format),
      onDemand: config.onDemand && {
        config: config.onDemand,
        discovery: this.#parts.asked.clusterDiscovery,
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
}

const behind = (
  gates: readonly NetworkGate[],
  terminal: TerminalFilterFactory,
): TerminalFilterFactory =>
  gates.length === 0 ? terminal : new GatedFilterFactory(gates, terminal);

/** Made by the first connection that speaks it: its counters are seen by those only who use HTTP/2. */
function lazyHttp2(
  config: HttpConnectionManagerConfig,
  store: StatsStore,
  random: RandomSource,
): () => SessionSettings {
  let settings: SessionSettings | undefined;
  return () => {
    settings ??= {
      http2: config.http2,
      stats: new Http2Stats(store, ''),
      random,
      flushTimeoutMs: config.streamIdleTimeoutMs,
      limits: {
        maxBytes: config.maxRequestHeadersKb * 1024,
        maxCount: config.maxHeadersCount,
        underscores: config.headersWithUnderscoresAction,
      },
    };
    return settings;
  };
}

function ignoredUpgrades({ http1 }: HttpConnectionManagerConfig): TokenMatcher | null {
  const matchers = (http1.ignoredUpgrades ?? []).map(
    (match) => new StringMatcher(match, 'ignore_http_11_upgrade'),
  );
  if (matchers.length === 0) return null;
  return { matches: (token) => matchers.some((matcher) => matcher.matches(token)) };
}
