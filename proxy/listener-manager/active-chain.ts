// [w] ActiveChain: one filter chain in force, with the connections that live on it. An update of its filters puts others
// under the living connections; one that gives it up drains it and closes what is left when the drain time ends
// (docs/adr/0015-updates-in-place.md).
import type { FilterChainConfig, ListenerConfig } from '../config/listener-config.ts';
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner, TimerWheel } from '../base/timer-wheel.ts';
import { util } from '../base/node-builtins.ts';
import { lastOf } from '../filters/network/network-filter.ts';
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
  readonly connections = new Set<LiveConnection>();
  readonly drain: ChainDrainState;
  #config: FilterChainConfig;
  /** For logs of its connections. */
  #facts: ListenerFacts;
  /** Built when the first connection comes: a chain nobody uses costs nothing. */
  #factory: TerminalFilterFactory | string | null = null;
  #tls: ServerTlsContext | null = null;
  readonly #builder: ChainBuilder;
  #listener: ListenerConfig;
  #endTimer: WheelTimer | null = null;
  /** The drain time is over: nobody gets in any more. */
  ended = false;
  refusalLogged = false;

  constructor(
    config: FilterChainConfig,
    listener: ListenerConfig,
    builder: ChainBuilder,
    drain: ChainDrainState,
  ) {
    this.#config = config;
    this.#listener = listener;
    this.#builder = builder;
    this.drain = drain;
    this.#facts = listenerFacts(listener, config.name);
  }

  get config(): FilterChainConfig {
    return this.#config;
  }

  get facts(): ListenerFacts {
    return this.#facts;
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

  /** Other filters for the same peers: connections stay, and their next requests are the new filters'. */
  swap(config: FilterChainConfig, listener: ListenerConfig, retires: boolean): void {
    const before = this.#factory;
    const facts = listenerFacts(listener, config.name);
    this.#config = config;
    this.#listener = listener;
    if (!util.isDeepStrictEqual(facts, this.#facts)) this.#facts = facts;
    this.#factory = null;
    this.refusalLogged = false;
    if (before === null || typeof before === 'string' || this.connections.size === 0) return;
    const now = this.factory();
    // Main has compiled it before, so it is none; should it be one, nobody goes on past what was to guard them.
    if (typeof now === 'string') this.closeAll();
    else lastOf(now).succeed?.(lastOf(before), { facts: this.#facts, retires });
  }

  leave(connection: LiveConnection): void {
    this.connections.delete(connection);
    if (this.#endTimer !== null && this.connections.size === 0) this.#forget();
  }

  startDrain(order: DrainOrder, timers: TimerWheel): void {
    this.drain.start(order);
    if (this.connections.size === 0) this.#forget();
    // Also for a chain without connections: one that is still being inspected may land here.
    if (this.#endTimer !== null) return;
    this.#endTimer = new WheelTimer(this, 0);
    timers.arm(this.#endTimer, order.drainTimeMs);
  }

  onTimer(_kind: number): void {
    this.ended = true;
    this.closeAll();
    this.#forget();
  }

  /** Should somebody come all the same, who was being inspected, it is made anew. */
  #forget(): void {
    this.#factory = null;
    this.#tls = null;
  }

  closeAll(): void {
    for (const connection of [...this.connections]) connection.closeNow();
  }
}
