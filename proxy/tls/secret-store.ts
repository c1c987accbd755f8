// [w] SecretStore: the secrets that main has delivered to this worker, by secretKey(). Contexts ask it for each handshake
// whether what they were built of has changed (secret-bound.ts; envoy-behaviour §9.4). A secret comes whole, certificate and
// key together, so no handshake ever sees half of a rotation.
import { ConfigError } from '../config/config-error.ts';
import { secretKey } from '../config/secret-config.ts';
import type {
  CertificateSecretConfig,
  SecretConfig,
  SecretRef,
  TicketKeysSecretConfig,
  ValidationSecretConfig,
} from '../config/secret-config.ts';

/** What a worker is told: a secret, or that there is none any more. */
export interface SecretUpdate {
  /** secretKey() of the reference that asked for it. */
  readonly key: string;
  readonly secret: SecretConfig | undefined;
}

export class SecretStore {
  readonly #secrets = new Map<string, SecretConfig>();
  #version = 0;

  /** Grows with every change of any secret. */
  get version(): number {
    return this.#version;
  }

  get(key: string): SecretConfig | undefined {
    return this.#secrets.get(key);
  }

  /** Throws ConfigError where it is none. */
  certificate(ref: SecretRef): CertificateSecretConfig {
    const secret = this.#secrets.get(secretKey(ref));
    if (secret?.kind === 'certificate') return secret;
    throw new ConfigError([
      { path: 'tls_certificate', message: `secret ${ref.name} is of another kind` },
    ]);
  }

  validation(key: string): ValidationSecretConfig | undefined {
    const secret = this.#secrets.get(key);
    return secret?.kind === 'validation' ? secret : undefined;
  }

  ticketKeys(key: string): TicketKeysSecretConfig | undefined {
    const secret = this.#secrets.get(key);
    return secret?.kind === 'ticket_keys' ? secret : undefined;
  }

  /** All of them, or none, are seen by whoever asks next. */
  apply(updates: readonly SecretUpdate[]): void {
    this.#version++;
    for (const { key, secret } of updates) {
      if (secret === undefined) this.#secrets.delete(key);
      else this.#secrets.set(key, secret);
    }
  }
}
