// [m] ScopeRelay: the scopes of the aggregated stream, which asks for them from the first moment that somebody uses them; who comes
// again later gets what came meanwhile.
import type { Closable } from '../base/lifetime.ts';
import type { ScopeConfig } from '../config/scoped-routes-config.ts';
import type { ResourceWatcher, XdsResource } from './resource-watcher.ts';

export class ScopeRelay {
  readonly #held = new Map<string, XdsResource<ScopeConfig>>();
  #user: ResourceWatcher<ScopeConfig> | undefined;
  readonly watcher: ResourceWatcher<ScopeConfig> = {
    onUpdate: (upserts, removed) => {
      const problems = this.#user?.onUpdate(upserts, removed) ?? [];
      const refused = new Set(problems.map(({ name }) => name));
      for (const name of removed) this.#held.delete(name);
      for (const resource of upserts)
        if (!refused.has(resource.name)) this.#held.set(resource.name, resource);
      return problems;
    },
    onRejected: (rejected) => this.#user?.onRejected?.(rejected),
  };

  /** One at a time. */
  open(user: ResourceWatcher<ScopeConfig>): Closable {
    this.#user = user;
    if (this.#held.size > 0) queueMicrotask(() => void user.onUpdate([...this.#held.values()], []));
    return {
      close: () => {
        if (this.#user === user) this.#user = undefined;
      },
    };
  }
}
