// [w] HttpChains: from the settings of a connection manager to one that serves, with all that its requests can meet.
import { lazyPart } from '../base/lazy-part.ts';
import type { RandomSource } from '../base/random.ts';
import type { AccessLogConfig } from '../config/access-log-config.ts';
import { subscriptionKey } from '../config/config-source.ts';
import { routeRef } from '../config/http-connection-manager-config.ts';
import type { HttpConnectionManagerConfig } from '../config/http-connection-manager-config.ts';
import type { ListenerConfig } from '../config/listener-config.ts';
import type { RouteConfig } from '../config/route-config.ts';
import type { EarlyMutation } from '../filters/network/early-mutation.ts';
import { HttpConnectionManagerFactory } from '../filters/network/http-connection-manager.ts';
import type { ConfiguredReplyRewriter } from '../filters/network/local-reply-rewriter.ts';
import type { TerminalFilterFactory } from '../filters/network/network-filter.ts';
import { createHttpFilterFactory } from '../filters/registry.ts';
import type { AccessLog, TokenMatcher } from '../http/conn-manager-context.ts';
import { ConnManagerStats } from '../http/conn-manager-stats.ts';
import { RequestMutator } from '../http/conn-manager-utility.ts';
import { DateHeader } from '../http/date-header.ts';
import type { SessionSettings } from '../http/http2/endpoint.ts';
import { Http2Stats } from '../http/http2/http2-stats.ts';
import type { ProxyStatus } from '../http/proxy-status.ts';
import type { RouteProvider } from '../http/route-provider.ts';
import type { TraceDecider } from '../http/trace-decision.ts';
import type { ChainDrainState } from '../listener-manager/drain-state.ts';
import { CompiledRouteTable } from '../router/route-table.ts';
import { RouteTableSlot } from '../router/route-table-slot.ts';
import { StringMatcher } from '../router/string-matcher.ts';
import type { StatsStore } from '../stats/store.ts';
import type { ChainBuilderParts } from './chain-builder.ts';

const earlyMutation = lazyPart<typeof import('../filters/network/early-mutation.ts')>(
  'filters/network/early-mutation',
);
const proxyStatus = lazyPart<typeof import('../http/proxy-status.ts')>('http/proxy-status');
const replyRewriter = lazyPart<typeof import('../filters/network/local-reply-rewriter.ts')>(
  'filters/network/local-reply-rewriter',
);
const scopedRoutes = lazyPart<typeof import('../router/scoped-routes.ts')>('router/scoped-routes');
const traceDecision = lazyPart<typeof import('../http/trace-decision.ts')>('http/trace-decision');

export class HttpChains {
  readonly #parts: ChainBuilderParts;
  readonly #date: DateHeader;

  constructor(parts: ChainBuilderParts) {
    this.#parts = parts;
    this.#date = new DateHeader(parts.io.time);
  }

  build(
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
      proxyStatus: this.#proxyStatus(config),
      tracer: this.#tracer(config, stats, listener),
      clusterConfig: (name) => clusters.get(name)?.config ?? null,
      date: this.#date,
      time: io.time,
      random,
      drain,
      http2: lazyHttp2(config, store, random),
    });
  }

  #proxyStatus({
    proxyStatus: settings,
    serverName,
  }: HttpConnectionManagerConfig): ProxyStatus | null {
    if (settings === undefined) return null;
    return new (proxyStatus().ProxyStatus)(settings, {
      server: serverName,
      node: this.#parts.node.id,
    });
  }

  #tracer(
    config: HttpConnectionManagerConfig,
    stats: ConnManagerStats,
    listener: ListenerConfig,
  ): TraceDecider | null {
    if (config.tracing === undefined) return null;
    const { runtime, random } = this.#parts;
    return new (traceDecision().TraceDecider)(
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
    return new (earlyMutation().EarlyMutation)(earlyHeaderMutations, this.#parts.routeEnvironment);
  }

  #localReply({ localReply }: HttpConnectionManagerConfig): ConfiguredReplyRewriter | null {
    if (localReply === undefined) return null;
    const { routeEnvironment, logFilters } = this.#parts;
    return new (replyRewriter().ConfiguredReplyRewriter)(localReply, {
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
        return new (scopedRoutes().ScopedRoutes)(routes, ({ table, inline }) =>
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
}

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
