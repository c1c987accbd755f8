// [w] Joins the layers for one filter chain: what its filters need is loaded with the first chain that names them.
import { lazyPart } from '../base/lazy-part.ts';
import type { Logger } from '../base/logger.ts';
import type { RandomSource } from '../base/random.ts';
import type { Runtime } from '../base/runtime.ts';
import { ConfigError } from '../config/config-error.ts';
import type { AccessLogConfig } from '../config/access-log-config.ts';
import type { FilterChainConfig, ListenerConfig } from '../config/listener-config.ts';
import type { SniForwardProxyConfig } from '../config/network-filter-config.ts';
import type { FilterEnvironment } from '../access-log/access-log-filter.ts';
import type { ServerHealth } from '../filters/factory-context.ts';
import type { TerminalFilterFactory } from '../filters/network/network-filter.ts';
import type { NetworkGate } from '../filters/network/network-gate.ts';
import type { SharedCounts } from '../filters/shared-counts.ts';
import type { TokenBucketMemory } from '../filters/token-bucket-memory.ts';
import type { AccessLog } from '../http/conn-manager-context.ts';
import type { ChainBuilder } from '../listener-manager/active-chain.ts';
import type { ChainDrainState } from '../listener-manager/drain-state.ts';
import type { IoThread } from '../network/io-thread.ts';
import type { RouteEnvironment } from '../router/route-environment.ts';
import type { RouteTableSlot } from '../router/route-table-slot.ts';
import type { StatsStore } from '../stats/store.ts';
import type { ServerTlsContext } from '../tls/server-tls-context.ts';
import type { TlsContexts } from '../tls/tls-contexts.ts';
import type { ThreadLocalClusterManager } from '../upstream/thread-local-cluster.ts';
import type { AskedOfMain } from './asked-of-main.ts';
import { HttpChains } from './http-chains.ts';

const networkFilters = lazyPart<typeof import('./network-filters.ts')>('server/network-filters');
const tcpChain = lazyPart<typeof import('./tcp-chain.ts')>('server/tcp-chain');

export interface ChainBuilderParts {
  readonly io: IoThread;
  readonly store: StatsStore;
  readonly random: RandomSource;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly clusters: ThreadLocalClusterManager;
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
  tls(): TlsContexts;
  /** Slot of an RDS configuration; made when first asked for. */
  routeSlot(name: string): RouteTableSlot;
  createAccessLogs(configs: readonly AccessLogConfig[]): readonly AccessLog[];
}

export class WorkerChainBuilder implements ChainBuilder {
  readonly #parts: ChainBuilderParts;
  readonly #http: HttpChains;

  constructor(parts: ChainBuilderParts) {
    this.#parts = parts;
    this.#http = new HttpChains(parts);
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
    return this.#parts.tls().server(transportSocket.settings, `listener.${statPrefix}`);
  }

  #build(
    chain: FilterChainConfig,
    listener: ListenerConfig,
    drain: ChainDrainState,
  ): TerminalFilterFactory | string {
    const gates: NetworkGate[] = [];
    let held: SniForwardProxyConfig | undefined;
    const ends = (terminal: TerminalFilterFactory): TerminalFilterFactory => {
      const last =
        held === undefined
          ? terminal
          : networkFilters().holdingForName(held, this.#parts, terminal);
      return gates.length === 0 ? last : networkFilters().behindGates(gates, last);
    };
    for (const filter of chain.networkFilters) {
      switch (filter.kind) {
        case 'refuse':
          return filter.reason;
        case 'discovered':
          return networkFilters().missingFilter(listener.statPrefix, this.#parts);
        case 'inert':
          continue;
        case 'http_connection_manager':
          return ends(this.#http.build(filter.settings, listener, drain));
        case 'tcp_proxy':
          return ends(tcpChain().tcpProxy(filter.settings, listener, this.#parts));
        case 'echo':
          return ends(networkFilters().ownAnswer(null));
        case 'direct_response':
          return ends(networkFilters().ownAnswer(filter.text));
        case 'sni_forward_proxy':
          held = filter.settings;
          continue;
        default:
          gates.push(
            networkFilters().createGate(
              filter,
              `${listener.name} ${JSON.stringify(chain.match)} ${gates.length}`,
              this.#parts,
            ),
          );
      }
    }
    return 'the chain has no filter that ends it (http_connection_manager or tcp_proxy)';
  }
}
