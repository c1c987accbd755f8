// [w] ActiveChain: one filter chain in force, with the connections that live on it. An update that leaves the chain's
// bytes as they are keeps it; one that changes them drains it and closes what is left when the drain time ends.
import type { FilterChainConfig, ListenerConfig } from '../config/listener-config.ts';
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner, TimerWheel } from '../base/timer-wheel.ts';
import type { TerminalFilterFactory } from '../filters/network/network-filter.ts';
import type { ListenerFacts } from '../stream-info/stream-info.ts';
import { NO_METADATA } from '../stream-info/upstream-facts.ts';
import type { ServerTlsContext } from '../tls/server-tls-context.ts';
import type { ChainDrainState } from './drain-state.ts';
import type { DrainOrder } from './drain-state.ts';

/** Makes the terminal filter of a chain; server/ fulfils it. A string says why connections on it must be closed. */
export interface ChainBuilder {
  build(
    chain: FilterChainConfig,
    listener: ListenerConfig,
    drain: ChainDrainState,
  ): TerminalFilterFactory | string;
  /** What its connections are encrypted by; null: nothing. */
  buildTls(chain: FilterChainConfig, listener: ListenerConfig): ServerTlsContext | null;
}

export const listenerFacts = (
  listener: ListenerConfig,
  filterChainName: string,
): ListenerFacts => ({
  listenerName: listener.name,
  filterChainName,
  metadata: listener.metadata ?? NO_METADATA,
});

export interface LiveConnection {
  closeNow(): void;
}

export class ActiveChain implements TimerOwner {
  readonly config: FilterChainConfig;
  readonly connections = new Set<LiveConnection>();
  readonly drain: ChainDrainState;
  /** For logs of its connections. */
  readonly facts: ListenerFacts;
  /** Built when the first connection comes: a chain nobody uses costs nothing. */
  #factory: TerminalFilterFactory | string | null = null;
  #tls: ServerTlsContext | null = null;
  readonly #builder: ChainBuilder;
  readonly #listener: ListenerConfig;
  #endTimer: WheelTimer | null = null;
  refusalLogged = false;

  constructor(
    config: FilterChainConfig,
    listener: ListenerConfig,
    builder: ChainBuilder,
    drain: ChainDrainState,
  ) {
    this.config = config;
    this.#listener = listener;
    this.#builder = builder;
    this.drain = drain;
    this.facts = listenerFacts(listener, config.name);
  }

  get match(): FilterChainConfig['match'] {
    return this.config.match;
  }

  factory(): TerminalFilterFactory | string {
    this.#factory ??= this.#builder.build(this.config, this.#listener, this.drain);
    return this.#factory;
  }

  /** Null: plaintext. */
  tls(): ServerTlsContext | null {
    if (this.config.transportSocket.kind === 'raw_buffer') return null;
    return (this.#tls ??= this.#builder.buildTls(this.config, this.#listener));
  }

  startDrain(order: DrainOrder, timers: TimerWheel): void {
    this.drain.start(order);
    // Also for a chain without connections: one that is still being inspected may land here.
    if (this.#endTimer !== null) return;
    this.#endTimer = new WheelTimer(this, 0);
    timers.arm(this.#endTimer, order.drainTimeMs);
  }

  onTimer(_kind: number): void {
    this.closeAll();
  }

  closeAll(): void {
    for (const connection of [...this.connections]) connection.closeNow();
  }
}
