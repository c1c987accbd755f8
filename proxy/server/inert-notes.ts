// [m] What the configuration names and the proxy accepts without doing it: told once in the log, in /config_dump, and by a
// gauge.
import type { BootstrapConfig } from '../config/bootstrap-config.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { ListenerConfig } from '../config/listener-config.ts';
import type { StatId, StatsStore } from '../stats/store.ts';
import { inertParts } from '../xds/inert-parts.ts';

/** A mesh has the same filters in hundreds of listeners: one note a part, not one a listener. */
export class InertNotes {
  readonly #notes = new Set<string>();
  readonly #stats: StatsStore;
  readonly #count: StatId;
  readonly #tell: (note: string) => void;

  constructor(stats: StatsStore, tell: (note: string) => void) {
    this.#stats = stats;
    this.#count = stats.gauge('server.inert_parts');
    this.#tell = tell;
  }

  /** In the order they were first seen. */
  list(): readonly string[] {
    return [...this.#notes];
  }

  addBootstrap(bootstrap: BootstrapConfig): void {
    this.#add(bootstrap.inert.map((name) => `bootstrap ${name}: does nothing in this version`));
  }

  addCluster(cluster: ClusterConfig): void {
    this.#add(inertParts({ cluster }));
  }

  addListener(listener: ListenerConfig): void {
    this.#add(inertParts({ listener }));
  }

  #add(notes: readonly string[]): void {
    for (const note of notes) {
      if (this.#notes.has(note)) continue;
      this.#notes.add(note);
      this.#tell(note);
    }
    this.#stats.set(this.#count, this.#notes.size);
  }
}
