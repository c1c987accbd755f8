// [m] Stats of the listener manager (envoy-behaviour §10: listener_manager.).
import type { StatId, StatsStore } from '../stats/store.ts';

export interface ListenerCounts {
  readonly active: number;
  readonly warming: number;
  readonly draining: number;
  readonly chainsDraining: number;
}

export class ListenerManagerStats {
  readonly #store: StatsStore;
  readonly #added: StatId;
  readonly #modified: StatId;
  readonly #removed: StatId;
  readonly #stopped: StatId;
  readonly #inPlaceUpdated: StatId;
  readonly #createSuccess: StatId;
  readonly #createFailure: StatId;
  readonly #active: StatId;
  readonly #warming: StatId;
  readonly #draining: StatId;
  readonly #chainsDraining: StatId;

  constructor(store: StatsStore) {
    this.#store = store;
    this.#added = store.counter('listener_manager.listener_added');
    this.#modified = store.counter('listener_manager.listener_modified');
    this.#removed = store.counter('listener_manager.listener_removed');
    this.#stopped = store.counter('listener_manager.listener_stopped');
    this.#inPlaceUpdated = store.counter('listener_manager.listener_in_place_updated');
    this.#createSuccess = store.counter('listener_manager.listener_create_success');
    this.#createFailure = store.counter('listener_manager.listener_create_failure');
    this.#active = store.gauge('listener_manager.total_listeners_active');
    this.#warming = store.gauge('listener_manager.total_listeners_warming');
    this.#draining = store.gauge('listener_manager.total_listeners_draining');
    this.#chainsDraining = store.gauge('listener_manager.total_filter_chains_draining');
  }

  onAdded(): void {
    this.#store.inc(this.#added);
  }

  onModified(): void {
    this.#store.inc(this.#modified);
  }

  onRemoved(): void {
    this.#store.inc(this.#removed);
  }

  onStopped(): void {
    this.#store.inc(this.#stopped);
  }

  /** Only filter chains changed: the socket and the chains that stayed go on. */
  onInPlaceUpdated(): void {
    this.#store.inc(this.#inPlaceUpdated);
  }

  /** A secret of its filter chains came. */
  onSecret(statPrefix: string): void {
    const name = `listener.${statPrefix}.server_ssl_socket_factory.ssl_context_update_by_sds`;
    this.#store.inc(this.#store.counter(name));
  }

  /** One worker bound the listener, or could not. */
  onBound(ok: boolean): void {
    this.#store.inc(ok ? this.#createSuccess : this.#createFailure);
  }

  setCounts(counts: ListenerCounts): void {
    this.#store.set(this.#active, counts.active);
    this.#store.set(this.#warming, counts.warming);
    this.#store.set(this.#draining, counts.draining);
    this.#store.set(this.#chainsDraining, counts.chainsDraining);
  }
}
