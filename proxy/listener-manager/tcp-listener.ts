// [w] TcpListener: SO_REUSEPORT accept, listener filters, hand-over by original destination, choice of filter chain.
import type {
  AddressConfig,
  FilterChainConfig,
  ListenerConfig,
  ListenerFilterConfig,
  ListenerFilterPredicate,
  TlsInspectorConfig,
} from '../config/listener-config.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { Logger } from '../base/logger.ts';
import type { Runtime } from '../base/runtime.ts';
import type { RandomSource } from '../base/random.ts';
import type { SharedCount, SharedCounts } from '../filters/shared-counts.ts';
import type { Inspector } from '../filters/listener/inspector.ts';
import type { ProxyProtocolFilter } from '../filters/listener/proxy-protocol.ts';
import type { AccessLog } from '../http/conn-manager-context.ts';
import type { IoThread } from '../network/io-thread.ts';
import { ListenSocket } from '../network/listen-socket.ts';
import type { SocketHandle } from '../network/socket-binding.ts';
import type { StatsStore } from '../stats/store.ts';
import { AcceptedConnection } from './accepted-connection.ts';
import { ActiveChain } from './active-chain.ts';
import type { ChainBuilder, LiveConnection } from './active-chain.ts';
import { balanceCount, listenerCeiling } from './connection-ceiling.ts';
import type { ConnectionCeiling } from './connection-ceiling.ts';
import type { ConnectionHandover, HandingListener } from './connection-handover.ts';
import { ChainDrainState } from './drain-state.ts';
import type { EarlySockets } from './early-sockets.ts';
import type { DrainOrder, ServerDrainState } from './drain-state.ts';
import { FilterChainMatcher } from './filter-chain-matcher.ts';
import type { ServerFirstMemory } from './server-first.ts';
import { ListenerStats } from './listener-stats.ts';
import { chainsOf, planChains } from './listener-update.ts';

const httpInspector = lazyPart<typeof import('../filters/listener/http-inspector.ts')>(
  'filters/listener/http-inspector',
);
const proxyProtocol = lazyPart<typeof import('../filters/listener/proxy-protocol.ts')>(
  'filters/listener/proxy-protocol',
);
const tlsInspector = lazyPart<typeof import('../filters/listener/tls-inspector.ts')>(
  'filters/listener/tls-inspector',
);

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
  readonly sharedCounts: SharedCounts;
  readonly runtime: Runtime;
  /** Of all connections; null: no limit. */
  readonly ceiling: ConnectionCeiling | null;
  createAccessLogs(listener: ListenerConfig): readonly AccessLog[];
  readonly handover: ConnectionHandover;
  readonly early: EarlySockets;
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
  readonly #proxyProtocol = new WeakMap<ListenerFilterConfig, ProxyProtocolFilter>();
  readonly #ceiling: ConnectionCeiling | null;
  /** Where connections are shared by their number; null: they stay where they came. */
  #share: SharedCount | null = null;
  /** Accepted, not yet on a chain. */
  readonly undecided = new Set<LiveConnection>();

  constructor(config: ListenerConfig, environment: ListenerEnvironment) {
    this.environment = environment;
    this.#config = config;
    this.stats = new ListenerStats(environment.store, config.statPrefix, environment.workerIndex);
    this.#matcher = new FilterChainMatcher<ActiveChain>([], null);
    this.#accessLogs = environment.createAccessLogs(config);
    this.#setChains(chainsOf(config).map((chain) => this.#newChain(chain)));
    const { runtime, sharedCounts } = environment;
    this.#ceiling = listenerCeiling(config.name, runtime, sharedCounts);
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
    const single = config.singleSocket === true || config.address.kind === 'pipe';
    if (single || config.exactBalance === true) {
      this.#share = balanceCount(config.name, this.environment.sharedCounts);
      this.environment.handover.open();
    }
    if (single && this.environment.workerIndex > 0) return;
    for (const address of [config.address, ...config.additionalAddresses]) {
      try {
        const isPlain = !single && config.socket === undefined;
        const socket =
          this.environment.early.claim(address, isPlain, this.#onAccept) ??
          new ListenSocket(
            this.environment.io,
            address,
            { backlog: config.tcpBacklogSize, reusePort: !single, socket: config.socket },
            this.#onAccept,
          );
        this.#sockets.push(socket);
        report.onBound(config.name, socket.address, undefined);
      } catch (error) {
        report.onBound(config.name, address, (error as Error).message);
      }
    }
  }

  /** An update in place: only chains that have no successor drain. */
  update(config: ListenerConfig, order: DrainOrder): void {
    const plan = planChains(this.#config, config);
    const old = this.#allChains();
    this.#config = config;
    this.#accessLogs = this.environment.createAccessLogs(config);
    const chains = chainsOf(config).map((chain, i) => {
      const { from, how } = plan.origins[i]!;
      if (from < 0) return this.#newChain(chain);
      const present = old[from]!;
      if (how !== 'keep') present.swap(chain, config, how === 'retire');
      return present;
    });
    this.#setChains(chains);
    for (const place of plan.drained) old[place]!.startDrain(order, this.environment.io.timers);
  }

  /** Of sockets that go on under another version: each is one that was made, as Envoy counts. */
  reportSockets(report: BindReport): void {
    for (const { address } of this.#sockets) report.onBound(this.#config.name, address, undefined);
  }

  /** From the listener that this one replaces at the same addresses. */
  takeSockets(before: TcpListener): void {
    this.#sockets = before.#sockets;
    if (before.#share !== null)
      this.#share = balanceCount(this.#config.name, this.environment.sharedCounts);
    before.#sockets = [];
    const { early } = this.environment;
    for (const socket of this.#sockets)
      if (!early.pass(socket, before.#onAccept, this.#onAccept)) socket.handTo(this.#onAccept);
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
      const inspector = this.#inspectorOf(filter);
      if (inspector !== null && isOn(filter, port)) inspectors.push(inspector);
    }
    return inspectors;
  }

  /** Upstream connections of this one come from where it came from (original_src). Null: they do not. */
  sourceMark(port: number): number | null {
    for (const filter of this.#config.listenerFilters)
      if (filter.kind === 'original_src' && isOn(filter, port)) return filter.mark;
    return null;
  }

  #inspectorOf(filter: ListenerFilterConfig): Inspector | null {
    switch (filter.kind) {
      case 'tls_inspector':
        return tlsInspectorFor(filter);
      case 'http_inspector':
        return (usualHttpInspector ??= new (httpInspector().HttpInspector)());
      case 'proxy_protocol': {
        const { store } = this.environment;
        let made = this.#proxyProtocol.get(filter);
        if (made === undefined) {
          made = new (proxyProtocol().ProxyProtocolFilter)(
            filter.settings,
            store,
            this.#config.statPrefix,
          );
          this.#proxyProtocol.set(filter, made);
        }
        return made;
      }
      default:
        return null;
    }
  }

  /** A connection that another worker has accepted and counted. */
  adopt(handle: SocketHandle): void {
    new AcceptedConnection(this, handle).begin();
  }

  /** A connection of ours is gone. */
  onConnectionGone(): void {
    this.#share?.add(-1);
    this.#ceiling?.give();
    if (this.#config.ignoreGlobalLimit !== true) this.environment.ceiling?.give();
  }

  readonly #onAccept = (handle: SocketHandle): void => {
    if (!this.#admit()) {
      handle.close();
      return;
    }
    if (this.#share !== null && this.environment.handover.share(this.#handing, handle, this.#share))
      return;
    new AcceptedConnection(this, handle).begin();
  };

  get #handing(): HandingListener {
    return { name: this.#config.name, counted: this.#config.ignoreGlobalLimit !== true };
  }

  /** The limits' places are given back by onConnectionGone(), in whatever worker that is. */
  #admit(): boolean {
    const { stats } = this;
    if (this.#ceiling?.take() === false) {
      stats.store.inc(stats.overflow);
      return false;
    }
    if (this.#config.ignoreGlobalLimit === true || this.environment.ceiling?.take() !== false)
      return true;
    this.#ceiling?.give();
    stats.store.inc(stats.globalOverflow);
    return false;
  }

  #allChains(): readonly ActiveChain[] {
    return this.#defaultChain === null ? this.#chains : [...this.#chains, this.#defaultChain];
  }

  #newChain(chain: FilterChainConfig): ActiveChain {
    const { builder, drain, io, random } = this.environment;
    const state = new ChainDrainState(drain, this.#config, { time: io.time, random });
    return new ActiveChain(chain, this.#config, builder, state);
  }

  /** In the order of chainsOf(). */
  #setChains(all: ActiveChain[]): void {
    this.#defaultChain = this.#config.defaultFilterChain === undefined ? null : all.pop()!;
    this.#chains = all;
    this.#matcher = new FilterChainMatcher(this.#chains, this.#defaultChain);
  }
}

/** They keep nothing of a connection. */
let usualTlsInspector: Inspector | undefined;
let usualHttpInspector: Inspector | undefined;

const tlsInspectorFor = (config: TlsInspectorConfig): Inspector =>
  config.ja3 === true || config.ja4 === true || config.strict === true
    ? new (tlsInspector().TlsInspector)(config)
    : (usualTlsInspector ??= new (tlsInspector().TlsInspector)());

const isOn = ({ disabled }: ListenerFilterConfig, port: number): boolean =>
  disabled === undefined || !holds(disabled, port);

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
