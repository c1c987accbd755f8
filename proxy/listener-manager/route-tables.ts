// [m] Route configurations by RDS name (subscriptionKey): who waits for which, and what RDS is to be asked for. A table goes to workers as
// soon as it came and stays until no listener refers to it (envoy-behaviour §13.4: RDS never removes).
import type {
  ConfigDumpEntry,
  ConfigErrorState,
  ConfigResource,
} from '../config/config-resource.ts';
import { subscriptionKey } from '../config/config-source.ts';
import type { SubscriptionRef } from '../config/config-source.ts';
import type { RouteConfig } from '../config/route-config.ts';

/** A cluster that gets no endpoints must not hold back routes for ever. */
export const MOST_HOLD_MS = 5000;

interface RouteTableState {
  readonly ref: SubscriptionRef;
  /** How many listener versions refer to it. */
  users: number;
  resource: ConfigResource<RouteConfig> | undefined;
  /** The newest version still waits for clusters that it names. */
  held: boolean;
  /** When a held version goes out all the same. */
  holdUntilMs: number;
  /** Some version went to the workers. */
  published: boolean;
  /** The wait is over although nothing came. */
  timedOut: boolean;
  lastUpdatedMs: number;
  errorState: ConfigErrorState | undefined;
}

export class RouteTables {
  readonly #byName = new Map<string, RouteTableState>();
  #namesChanged = false;

  retain(refs: readonly SubscriptionRef[]): void {
    for (const ref of refs) {
      const name = subscriptionKey(ref);
      const state = this.#byName.get(name);
      if (state !== undefined) {
        state.users++;
        continue;
      }
      this.#byName.set(name, {
        ref,
        users: 1,
        resource: undefined,
        held: false,
        holdUntilMs: 0,
        published: false,
        timedOut: false,
        lastUpdatedMs: 0,
        errorState: undefined,
      });
      this.#namesChanged = true;
    }
  }

  /** What nobody uses stays until sweep(), so that a successor in the same update finds it. */
  release(refs: readonly SubscriptionRef[]): void {
    for (const ref of refs) {
      const state = this.#byName.get(subscriptionKey(ref));
      if (state !== undefined) state.users--;
    }
  }

  /** Forgets what nobody uses any more; gives the names of tables that had come. */
  sweep(): readonly string[] {
    const gone: string[] = [];
    for (const [name, state] of this.#byName) {
      if (state.users > 0) continue;
      this.#byName.delete(name);
      this.#namesChanged = true;
      if (state.published) gone.push(name);
    }
    return gone;
  }

  /** A table that nobody asked for is left out. It goes to the workers with the next takeDue(). */
  set(
    resource: ConfigResource<RouteConfig>,
    now: { readonly wallMs: number; readonly monotonicMs: number },
  ): void {
    const state = this.#byName.get(resource.name);
    if (state === undefined) return;
    state.resource = resource;
    state.held = true;
    state.holdUntilMs = now.monotonicMs + MOST_HOLD_MS;
    state.lastUpdatedMs = now.wallMs;
    state.errorState = undefined;
  }

  /** Tables to publish now: those that name no cluster that `isWarming`, or have been held long enough. */
  takeDue(isWarming: (cluster: string) => boolean, nowMs: number): readonly RouteConfig[] {
    const due: RouteConfig[] = [];
    for (const [key, state] of this.#byName) {
      if (!state.held || state.resource === undefined) continue;
      const { config } = state.resource;
      if (nowMs < state.holdUntilMs && namesCluster(config, isWarming)) continue;
      state.held = false;
      state.published = true;
      due.push(key === config.name ? config : { ...config, key });
    }
    return due;
  }

  get holdsAny(): boolean {
    return [...this.#byName.values()].some((state) => state.held);
  }

  setError(name: string, errorState: ConfigErrorState): void {
    const state = this.#byName.get(name);
    if (state !== undefined) state.errorState = errorState;
  }

  /** All of them went to the workers, or are not waited for. */
  ready(refs: readonly SubscriptionRef[]): boolean {
    return refs.every((ref) => {
      const state = this.#byName.get(subscriptionKey(ref));
      return state !== undefined && (state.published || state.timedOut);
    });
  }

  giveUpWaiting(names: readonly string[]): void {
    for (const name of names) {
      const state = this.#byName.get(name);
      if (state !== undefined) state.timedOut = true;
    }
  }

  /** Whether wanted() differs from what it was at the last call of this. */
  namesChanged(): boolean {
    const changed = this.#namesChanged;
    this.#namesChanged = false;
    return changed;
  }

  wanted(): ReadonlyMap<string, SubscriptionRef> {
    return new Map([...this.#byName].map(([key, { ref }]) => [key, ref]));
  }

  entries(): readonly ConfigDumpEntry[] {
    const entries: ConfigDumpEntry[] = [];
    for (const { ref, resource, lastUpdatedMs, errorState } of this.#byName.values()) {
      if (resource === undefined) continue;
      const { version, raw } = resource;
      entries.push({ name: ref.name, state: 'active', version, raw, lastUpdatedMs, errorState });
    }
    return entries;
  }
}

function namesCluster(table: RouteConfig, test: (cluster: string) => boolean): boolean {
  return table.virtualHosts.some(({ routes }) =>
    routes.some(({ action }) => {
      if (action.kind !== 'route') return false;
      const { cluster, mirrors } = action;
      if (mirrors.some((mirror) => test(mirror.cluster))) return true;
      if (cluster.kind === 'cluster') return test(cluster.name);
      return cluster.kind === 'weighted' && cluster.clusters.some(({ name }) => test(name));
    }),
  );
}
