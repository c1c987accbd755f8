// [w] SecretStore: the secrets that main has delivered to this worker, by secretKey(). Contexts ask it when they are built
// and are told when what they were built of has changed (envoy-behaviour §9.4). A secret comes whole, certificate and key
// together, so no handshake ever sees half of a rotation.
import type {
  CertificateSecretConfig,
  SecretConfig,
  TicketKeysSecretConfig,
  ValidationSecretConfig,
} from '../config/secret-config.ts';

/** What a worker is told: a secret, or that there is none any more. */
export interface SecretUpdate {
  /** secretKey() of the reference that asked for it. */
  readonly key: string;
  readonly secret: SecretConfig | undefined;
}

export type SecretListener = (key: string) => void;

export class SecretStore {
  readonly #secrets = new Map<string, SecretConfig>();
  readonly #listeners = new Map<string, Set<SecretListener>>();
  #version = 0;

  /** Grows with every change of any secret. */
  get version(): number {
    return this.#version;
  }

  get(key: string): SecretConfig | undefined {
    return this.#secrets.get(key);
  }

  certificate(key: string): CertificateSecretConfig | undefined {
    const secret = this.#secrets.get(key);
    return secret?.kind === 'certificate' ? secret : undefined;
  }

  validation(key: string): ValidationSecretConfig | undefined {
    const secret = this.#secrets.get(key);
    return secret?.kind === 'validation' ? secret : undefined;
  }

  ticketKeys(key: string): TicketKeysSecretConfig | undefined {
    const secret = this.#secrets.get(key);
    return secret?.kind === 'ticket_keys' ? secret : undefined;
  }

  /** Called until removed; once per apply() even where several of its keys changed. */
  onChange(keys: readonly string[], listener: SecretListener): void {
    for (const key of keys) {
      let set = this.#listeners.get(key);
      if (set === undefined) {
        set = new Set();
        this.#listeners.set(key, set);
      }
      set.add(listener);
    }
  }

  removeListener(keys: readonly string[], listener: SecretListener): void {
    for (const key of keys) {
      const set = this.#listeners.get(key);
      set?.delete(listener);
      if (set?.size === 0) this.#listeners.delete(key);
    }
  }

  /** All of them are in place before the first listener hears of one. */
  apply(updates: readonly SecretUpdate[]): void {
    this.#version++;
    const due = new Map<SecretListener, string>();
    for (const { key, secret } of updates) {
      if (secret === undefined) this.#secrets.delete(key);
      else this.#secrets.set(key, secret);
      for (const listener of this.#listeners.get(key) ?? []) due.set(listener, key);
    }
    for (const [listener, key] of due) listener(key);
  }
}
