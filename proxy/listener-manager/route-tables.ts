// [m] Route configurations by RDS name: who waits for which, and what RDS is to be asked for. A table goes to workers as
// soon as it came and stays until no listener refers to it (envoy-behaviour §13.4: RDS never removes).
import type { ConfigDumpEntry, ConfigErrorState, ConfigResource } from '../config/config-resource.ts';
import type { RouteConfig } from '../config/route-config.ts';

interface RouteTableState {
  /** How many listener versions refer to it. */
  users: number;
  resource: ConfigResource<RouteConfig> | undefined;
  /** The wait is over although nothing came. */
  timedOut: boolean;
  lastUpdatedMs: number;
  errorState: ConfigErrorState | undefined;
}

export class RouteTables {
  readonly #byName = new Map<string, RouteTableState>();
  #namesChanged = false;

  retain(names: readonly string[]): void {
    for (const name of names) {
      const state = this.#byName.get(name);
      if (state !== undefined) {
        state.users++;
        continue;
      }
      this.#byName.set(name, {
        users: 1,
        resource: undefined,
        timedOut: false,
        lastUpdatedMs: 0,
        errorState: undefined,
      });
      this.#namesChanged = true;
    }
  }

  /** What nobody uses stays until sweep(), so that a successor in the same update finds it. */
  release(names: readonly string[]): void {
    for (const name of names) {
      const state = this.#byName.get(name);
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
      if (state.resource !== undefined) gone.push(name);
    }
    return gone;
  }

  /** False: nobody asked for it. */
  set(resource: ConfigResource<RouteConfig>, nowMs: number): boolean {
    const state = this.#byName.get(resource.name);
    if (state === undefined) return false;
    state.resource = resource;
    state.lastUpdatedMs = nowMs;
    state.errorState = undefined;
    return true;
  }

  setError(name: string, errorState: ConfigErrorState): void {
    const state = this.#byName.get(name);
    if (state !== undefined) state.errorState = errorState;
  }

  /** Those that came, or will not be waited for. */
  ready(names: readonly string[]): boolean {
    return names.every((name) => {
      const state = this.#byName.get(name);
      return state !== undefined && (state.resource !== undefined || state.timedOut);
    });
  }

  giveUpWaiting(names: readonly string[]): void {
    for (const name of names) {
      const state = this.#byName.get(name);
      if (state !== undefined) state.timedOut = true;
    }
  }

  /** Whether names() differs from what it was at the last call of this. */
  namesChanged(): boolean {
    const changed = this.#namesChanged;
    this.#namesChanged = false;
    return changed;
  }

  names(): ReadonlySet<string> {
    return new Set(this.#byName.keys());
  }

  entries(): readonly ConfigDumpEntry[] {
    const entries: ConfigDumpEntry[] = [];
    for (const { resource, lastUpdatedMs, errorState } of this.#byName.values()) {
      if (resource === undefined) continue;
      const { name, version, raw } = resource;
      entries.push({ name, state: 'active', version, raw, lastUpdatedMs, errorState });
    }
    return entries;
  }
}
