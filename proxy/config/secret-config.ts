// [b] Certificates and validation contexts as plain data (envoy.extensions.transport_sockets.tls.v3.Secret).
// Private keys: never print one of these whole; dumps redact them.
import type { StringMatchConfig } from './matcher-config.ts';

export type PemSource =
  | { readonly kind: 'inline'; readonly pem: string }
  /** Read, and read again when the file is replaced, by whoever uses it. */
  | { readonly kind: 'file'; readonly path: string };

export interface CertificateSecretConfig {
  readonly kind: 'certificate';
  readonly name: string;
  readonly version: string;
  /** Leaf first. */
  readonly certificateChain: PemSource;
  readonly privateKey: PemSource;
}

export interface SanMatchConfig {
  /** `ANY` comes from the deprecated untyped list. */
  readonly type: 'ANY' | 'EMAIL' | 'DNS' | 'URI' | 'IP_ADDRESS';
  readonly match: StringMatchConfig;
}

export interface ValidationSecretConfig {
  readonly kind: 'validation';
  readonly name: string;
  readonly version: string;
  /** Undefined: the chain is not verified. */
  readonly trustedCa: PemSource | undefined;
  /** One of them has to hold; empty: any name. */
  readonly subjectAltNames: readonly SanMatchConfig[];
  /** Base64 of the SHA-256 of the key; empty: not asked for. */
  readonly spkiPins: readonly string[];
  /** Hex of the SHA-256 of the certificate; empty: not asked for. */
  readonly certificateHashes: readonly string[];
  readonly allowExpired: boolean;
}

export type SecretConfig = CertificateSecretConfig | ValidationSecretConfig;
