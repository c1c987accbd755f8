// [w] TcpListener: SO_REUSEPORT accept, listener filters, hand-over by original destination, choice of filter chain.
import type {
  AddressConfig,
  ListenerConfig,
  ListenerFilterConfig,
  ListenerFilterPredicate,
} from '../config/listener-config.ts';
import type { Logger } from '../base/logger.ts';
import type { RandomSource } from '../base/random.ts';
import { HttpInspector } from '../filters/listener/http-inspector.ts';
import type { Inspector } from '../filters/listener/inspector.ts';
import { TlsInspector } from '../filters/listener/tls-inspector.ts';
import type { AccessLog } from '../http/conn-manager-context.ts';
import type { IoThread } from '../network/io-thread.ts';
import { ListenSocket } from '../network/listen-socket.ts';
import type { SocketHandle } from '../network/socket-binding.ts';
import type { StatsStore } from '../stats/store.ts';
import { AcceptedConnection } from './accepted-connection.ts';
import { ActiveChain } from './active-chain.ts';
import type { ChainBuilder, LiveConnection } from './active-chain.ts';
import { ChainDrainState } from './drain-state.ts';
import type { DrainOrder, ServerDrainState } from './drain-state.ts';
import { FilterChainMatcher } from './filter-chain-matcher.ts';
import type { ServerFirstMemory } from './server-first.ts';
import { ListenerStats } from './listener-stats.ts';

/** What all listeners of one worker share. */
export interface ListenerEnvironment {
  readonly io: IoThread;
  readonly store: StatsStore;
  readonly workerIndex: number;
  readonly random: RandomSource;
  readonly log: Logger;
  readonly builder: ChainBuilder;
  readonly drain: ServerDrainState;
  /** Null: servers are never asked whether they speak first. */
  readonly serverFirst: ServerFirstMemory | null;
  createAccessLogs(listener: ListenerConfig): readonly AccessLog[];
  /** Listener of an original destination; null: none but the one that accepted. */
  findByAddress(ip: string, port: number): TcpListener | null;
  onConnectionCount(change: number): void;
}

export interface BindReport {
  onBound(name: string, address: AddressConfig, error: string | undefined): void;
}

export class TcpListener {
  readonly environment: ListenerEnvironment;
  readonly stats: ListenerStats;
  #config: ListenerConfig;
  #chains: readonly ActiveChain[] = [];
  #defaultChain: ActiveChain | null = null;
  #matcher: FilterChainMatcher<ActiveChain>;
  #accessLogs: readonly AccessLog[];
  #sockets: ListenSocket[] = [];
  /** Accepted, not yet on a chain. */
  readonly undecided = new Set<LiveConnection>();

  constructor(config: ListenerConfig, environment: ListenerEnvironment) {
    this.environment = environment;
    this.#config = config;
    this.stats = new ListenerStats(environment.store, config.statPrefix, environment.workerIndex);
    this.#matcher = new FilterChainMatcher<ActiveChain>([], null);
    this.#accessLogs = environment.createAccessLogs(config);
    this.#setChains(config, null);
  }

  get config(): ListenerConfig {
    return this.#config;
  }

  get accessLogs(): readonly AccessLog[] {
    return this.#accessLogs;
  }

  get matcher(): FilterChainMatcher<ActiveChain> {
    return this.#matcher;
  }

  /** No connection of it is left. */
  get idle(): boolean {
    return (
      this.undecided.size === 0 && this.#allChains().every((chain) => chain.connections.size === 0)
    );
  }

  get bound(): boolean {
    return this.#sockets.length > 0;
  }

  /** The listener learns the original destination of its connections. */
  get restoresDestination(): boolean {
    return (
      this.#config.useOriginalDst ||
      this.#config.listenerFilters.some((filter) => filter.kind === 'original_dst')
    );
  }

  bind(report: BindReport): void {
    const config = this.#config;
    if (!config.bindToPort) return;
    for (const address of [config.address, ...config.additionalAddresses]) {
      try {
        const socket = new ListenSocket(
          this.environment.io,
          address,
          config.tcpBacklogSize,
          this.#onAccept,
        );
        this.#sockets.push(socket);
        const real = address.kind === 'ip' ? { ...address, port: socket.port } : address;
        report.onBound(config.name, real, undefined);
      } catch (error) {
        report.onBound(config.name, address, (error as Error).message);
      }
    }
  }

  /** Same name, new settings. Chains with the same bytes keep their connections. */
  update(config: ListenerConfig, order: DrainOrder): void {
    this.#config = config;
    this.#accessLogs = this.environment.createAccessLogs(config);
    this.#setChains(config, order);
  }

  /** The next listener of this name takes the sockets over. */
  stopAccepting(): void {
    for (const socket of this.#sockets) socket.close();
    this.#sockets = [];
  }

  /** Removed: accepts no more; connections drain. */
  remove(order: DrainOrder): void {
    this.stopAccepting();
    for (const chain of this.#allChains()) chain.startDrain(order, this.environment.io.timers);
  }

  closeAll(): void {
    this.stopAccepting();
    for (const connection of [...this.undecided]) connection.closeNow();
    for (const chain of this.#allChains()) chain.closeAll();
  }

  /** Inspectors that want to see this connection's bytes. */
  inspectorsFor(port: number): readonly Inspector[] {
    const inspectors: Inspector[] = [];
    for (const filter of this.#config.listenerFilters) {
      const inspector = inspectorOf(filter);
      if (inspector === null) continue;
      if (filter.disabled === undefined || !holds(filter.disabled, port))
        inspectors.push(inspector);
    }
    return inspectors;
  }

  readonly #onAccept = (handle: SocketHandle): void => {
    new AcceptedConnection(this, handle).begin();
  };

  #allChains(): readonly ActiveChain[] {
    return this.#defaultChain === null ? this.#chains : [...this.#chains, this.#defaultChain];
  }

  #setChains(config: ListenerConfig, order: DrainOrder | null): void {
    const old = [...this.#allChains()];
    const take = (chain: ListenerConfig['filterChains'][number]): ActiveChain => {
      const index = old.findIndex(
        (present) => present.config.hash === chain.hash && chain.hash !== '',
      );
      if (index >= 0) return old.splice(index, 1)[0]!;
      const { builder, drain, io, random } = this.environment;
      return new ActiveChain(
        chain,
        config,
        builder,
        new ChainDrainState(drain, config, { time: io.time, random }),
      );
    };
    this.#chains = config.filterChains.map(take);
    this.#defaultChain =
      config.defaultFilterChain === undefined ? null : take(config.defaultFilterChain);
    this.#matcher = new FilterChainMatcher(this.#chains, this.#defaultChain);
    if (order !== null)
      for (const chain of old) chain.startDrain(order, this.environment.io.timers);
  }
}

const TLS_INSPECTOR = new TlsInspector();
const HTTP_INSPECTOR = new HttpInspector();

function inspectorOf(filter: ListenerFilterConfig): Inspector | null {
  if (filter.kind === 'tls_inspector') return TLS_INSPECTOR;
  return filter.kind === 'http_inspector' ? HTTP_INSPECTOR : null;
}

function holds(predicate: ListenerFilterPredicate, port: number): boolean {
  switch (predicate.kind) {
    case 'any':
      return true;
    case 'not':
      return !holds(predicate.rule, port);
    case 'or':
      return predicate.rules.some((rule) => holds(rule, port));
    case 'and':
      return predicate.rules.every((rule) => holds(rule, port));
    case 'destination_port':
      return port >= predicate.start && port < predicate.end;
  }
}
