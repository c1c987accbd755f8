// [m] Startup: from the first static cluster to LIVE (envoy-behaviour §13.5). Static clusters, then CDS and its
// clusters, then listeners and their routes, then all workers running on what came.
import type { ServerState } from './admin-context.ts';

export interface StartupFacts {
  readonly hasCds: boolean;
  readonly hasLds: boolean;
  /** Things that still wait, now. */
  missingLayers(): number;
  warmingClusters(): number;
  warmingListeners(): number;
}

export interface StartupEvents {
  /** Clusters are ready for the first time: listeners may go out. */
  onClustersReady(): void;
  /** Everything came once; call onWorkersReady() when all workers run on it, at once where they do already. */
  onConfigured(): void;
  onLive(): void;
}

type Phase = 'static_clusters' | 'clusters' | 'listeners' | 'workers' | 'live';

export class Startup {
  readonly #facts: StartupFacts;
  readonly #events: StartupEvents;
  #phase: Phase = 'static_clusters';
  #cdsAnswered: boolean;
  #ldsAnswered: boolean;
  #advancing = false;

  constructor(facts: StartupFacts, events: StartupEvents) {
    this.#facts = facts;
    this.#events = events;
    this.#cdsAnswered = !facts.hasCds;
    this.#ldsAnswered = !facts.hasLds;
  }

  state(healthCheckFailed: boolean): ServerState {
    if (this.#phase === 'static_clusters') return 'PRE_INITIALIZING';
    if (this.#phase !== 'live') return 'INITIALIZING';
    return healthCheckFailed ? 'DRAINING' : 'LIVE';
  }

  /** The first answer came, or its wait is over. */
  onAnswered(kind: 'clusters' | 'listeners'): void {
    if (kind === 'clusters') this.#cdsAnswered = true;
    else this.#ldsAnswered = true;
    this.advance();
  }

  /** Static resources have been handed over, or something warmed. May be called from within the events. */
  advance(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    while (this.#step());
    this.#advancing = false;
  }

  onWorkersReady(): void {
    if (this.#phase !== 'workers') return;
    this.#phase = 'live';
    this.#events.onLive();
  }

  /** True when a phase ended. */
  #step(): boolean {
    switch (this.#phase) {
      case 'static_clusters':
        if (this.#facts.warmingClusters() > 0 || this.#facts.missingLayers() > 0) return false;
        this.#phase = 'clusters';
        return true;
      case 'clusters':
        if (!this.#cdsAnswered || this.#facts.warmingClusters() > 0) return false;
        this.#phase = 'listeners';
        this.#events.onClustersReady();
        return true;
      case 'listeners':
        if (!this.#ldsAnswered || this.#facts.warmingListeners() > 0) return false;
        this.#phase = 'workers';
        this.#events.onConfigured();
        return true;
      case 'workers':
      case 'live':
        return false;
    }
  }
}
