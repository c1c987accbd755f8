// [w] SecretBound: what is compiled of a configuration and its secrets. Made when first asked for, and again when a secret has
// changed; who holds an older one keeps it. Asking costs a comparison, so nobody has to be told of changes.
import { secretKey } from '../config/secret-config.ts';
import type { SecretConfig, SecretRef } from '../config/secret-config.ts';
import type { SecretStore } from './secret-store.ts';

export class SecretBound<State> {
  readonly #store: SecretStore;
  readonly #keys: readonly string[];
  readonly #build: () => State;
  readonly #onProblem: (message: string) => void;
  #state: State | null = null;
  #builtOf: readonly (SecretConfig | undefined)[] = [];
  #version = -1;

  /** `build` may throw ConfigError: the state before stays in force. */
  constructor(
    store: SecretStore,
    secrets: readonly SecretRef[],
    build: () => State,
    onProblem: (message: string) => void,
  ) {
    this.#store = store;
    this.#keys = secrets.map(secretKey);
    this.#build = build;
    this.#onProblem = onProblem;
  }

  /** Null while secrets are missing. */
  current(): State | null {
    const store = this.#store;
    if (this.#version === store.version) return this.#state;
    this.#version = store.version;
    const now = this.#keys.map((key) => store.get(key));
    if (this.#state !== null && now.every((secret, index) => secret === this.#builtOf[index]))
      return this.#state;
    if (now.includes(undefined)) return this.#state;
    this.#builtOf = now;
    try {
      this.#state = this.#build();
    } catch (error) {
      this.#onProblem((error as Error).message);
    }
    return this.#state;
  }
}
