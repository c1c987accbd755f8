// [m] What the configuration names and the proxy accepts without doing it: told once in the log, and in /config_dump.
import type { BootstrapConfig } from '../config/bootstrap-config.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { FilterChainConfig, ListenerConfig } from '../config/listener-config.ts';

export class InertNotes {
  readonly #notes = new Set<string>();
  readonly #tell: (note: string) => void;

  constructor(tell: (note: string) => void) {
    this.#tell = tell;
  }

  /** In the order they were first seen. */
  list(): readonly string[] {
    return [...this.#notes];
  }

  addBootstrap(bootstrap: BootstrapConfig): void {
    for (const name of bootstrap.inert) this.#inert(`bootstrap: ${name}`);
  }

  addCluster(cluster: ClusterConfig): void {
    for (const name of cluster.inert) this.#inert(`cluster: ${name}`);
  }

  /** A mesh has the same filters in hundreds of listeners: one note a filter, not one a listener. */
  addListener(listener: ListenerConfig): void {
    for (const chain of listener.filterChains) this.#addChain(chain);
    if (listener.defaultFilterChain !== undefined) this.#addChain(listener.defaultFilterChain);
  }

  #addChain(chain: FilterChainConfig): void {
    for (const filter of chain.networkFilters) {
      if (filter.kind === 'inert') this.#inert(`filter ${filter.name} (${filter.typeUrl})`);
      if (filter.kind === 'refuse')
        this.#add(`filter ${filter.name} closes every connection: ${filter.reason}`);
      if (filter.kind !== 'http_connection_manager') continue;
      for (const { name, settings } of filter.settings.httpFilters) {
        if (settings.kind === 'inert') this.#inert(`filter ${name} (${settings.typeUrl})`);
        if (settings.kind === 'refuse')
          this.#add(`filter ${name} refuses every request: ${settings.reason}`);
      }
    }
  }

  #inert(what: string): void {
    this.#add(`${what} is accepted and does nothing yet`);
  }

  #add(note: string): void {
    if (this.#notes.has(note)) return;
    this.#notes.add(note);
    this.#tell(note);
  }
}
