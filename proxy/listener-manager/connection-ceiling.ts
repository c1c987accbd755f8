// [w] Limits of connections: of one listener (runtime `envoy.resource_limits.listener.<name>.connection_limit`) and of all
// (overload manager, or runtime `overload.global_downstream_max_connections`), in all workers together (envoy-behaviour §8.2).
import type { Runtime } from '../base/runtime.ts';
import type { SharedCount, SharedCounts } from '../filters/shared-counts.ts';

export class ConnectionCeiling {
  readonly #limit: number;
  readonly #count: SharedCount;

  constructor(limit: number, count: SharedCount) {
    this.#limit = limit;
    this.#count = count;
  }

  /** False: there are as many as may be. */
  take(): boolean {
    this.#count.add(1);
    if (this.#count.total <= this.#limit) return true;
    this.#count.add(-1);
    return false;
  }

  give(): void {
    this.#count.add(-1);
  }
}

/** Null: no limit. */
export function listenerCeiling(
  listenerName: string,
  runtime: Runtime,
  counts: SharedCounts,
): ConnectionCeiling | null {
  const limit = runtime.integer(
    `envoy.resource_limits.listener.${listenerName}.connection_limit`,
    Infinity,
  );
  if (limit === Infinity) return null;
  return new ConnectionCeiling(limit, counts.of(`connections of listener ${listenerName}`));
}

/** `configured`: of the overload manager; undefined: it says nothing. Null: no limit. */
export function globalCeiling(
  configured: number | undefined,
  runtime: Runtime,
  counts: SharedCounts,
): ConnectionCeiling | null {
  const limit =
    configured ?? runtime.integer('overload.global_downstream_max_connections', Infinity);
  return limit === Infinity ? null : new ConnectionCeiling(limit, counts.of('connections'));
}

/** Connections that each worker has of a listener that spreads them. */
export const balanceCount = (listenerName: string, counts: SharedCounts): SharedCount =>
  counts.of(`balance of listener ${listenerName}`);
