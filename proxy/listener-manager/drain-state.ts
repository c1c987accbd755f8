// [w] Whether responses should end their connection: the server drains, its health check was failed by the operator,
// or an update replaced this very filter chain (envoy-behaviour §8.5, §14.1).
import type { TimeSource } from '../base/clock.ts';
import type { RandomSource } from '../base/random.ts';
import type { DrainDecision } from '../http/conn-manager-context.ts';

export interface DrainOrder {
  /** gradual: with the probability elapsed / drainTimeMs. */
  readonly strategy: 'gradual' | 'immediate';
  readonly drainTimeMs: number;
  readonly startMs: number;
}

/** Server-wide state of one worker. */
export class ServerDrainState {
  inbound: DrainOrder | null = null;
  other: DrainOrder | null = null;
  healthCheckFailed = false;
}

export class ChainDrainState implements DrainDecision {
  readonly #server: ServerDrainState;
  readonly #time: TimeSource;
  readonly #random: RandomSource;
  readonly #inbound: boolean;
  readonly #modifyOnly: boolean;
  #own: DrainOrder | null = null;

  constructor(
    server: ServerDrainState,
    listener: { readonly trafficDirection: string; readonly drainType: string },
    sources: { readonly time: TimeSource; readonly random: RandomSource },
  ) {
    this.#server = server;
    this.#inbound = listener.trafficDirection === 'INBOUND';
    this.#modifyOnly = listener.drainType === 'MODIFY_ONLY';
    this.#time = sources.time;
    this.#random = sources.random;
  }

  /** This chain was replaced or removed. */
  start(order: DrainOrder): void {
    this.#own ??= order;
  }

  drainClose(): boolean {
    const server = this.#server;
    if (server.healthCheckFailed && !this.#modifyOnly) return true;
    const order = this.#own ?? (this.#inbound ? server.inbound : server.other);
    return order !== null && this.#due(order);
  }

  #due(order: DrainOrder): boolean {
    if (order.strategy === 'immediate' || order.drainTimeMs <= 0) return true;
    return this.#random.next() * order.drainTimeMs < this.#time.monotonicMs() - order.startMs;
  }
}
