// [b] Certificates and validation contexts as plain data (envoy.extensions.transport_sockets.tls.v3.Secret).
// Private keys: never print one of these whole; dumps redact them.
import type { ConfigSourceConfig } from './config-source.ts';
import type { StringMatchConfig } from './matcher-config.ts';

export type PemSource =
  /** `path`: the file that main read it from. */
  | { readonly kind: 'inline'; readonly pem: string; readonly path?: string | undefined }
  /** Read, and read again when the file is replaced, by whoever uses it. */
  | { readonly kind: 'file'; readonly path: string };

/** Where a secret is asked for. Two secrets of one name and different sources are different secrets. */
export type SecretSourceConfig =
  /** `static_resources.secrets` of the bootstrap. */
  { readonly kind: 'static' } | ConfigSourceConfig;

export interface SecretRef {
  readonly name: string;
  readonly source: SecretSourceConfig;
  /** 0: for ever. */
  readonly initialFetchTimeoutMs: number;
}

/** What a secret is kept by, on main and in workers. */
export function secretKey({ name, source }: Pick<SecretRef, 'name' | 'source'>): string {
  switch (source.kind) {
    case 'static':
    case 'ads':
      return `${source.kind}|${name}`;
    case 'grpc':
      return `grpc ${source.cluster}${source.delta ? ' delta' : ''}|${name}`;
    case 'path':
      return `path ${source.path}|${name}`;
  }
}

export interface CertificateSecretConfig {
  readonly kind: 'certificate';
  readonly name: string;
  readonly version: string;
  /** Leaf first. */
  readonly certificateChain: PemSource;
  readonly privateKey: PemSource;
  /** Of the private key; absent: none. */
  readonly password?: PemSource | undefined;
  /** DER of an OCSP response; absent: none. */
  readonly ocspStaple?: Uint8Array | undefined;
}

export interface SanMatchConfig {
  /** `ANY` comes from the deprecated untyped list: DNS, URI, email or IP. */
  readonly type: 'ANY' | 'EMAIL' | 'DNS' | 'URI' | 'IP_ADDRESS' | 'OTHER_NAME';
  readonly match: StringMatchConfig;
  /** Of an OTHER_NAME, dotted. */
  readonly oid?: string | undefined;
}

export interface SpiffeTrustDomainConfig {
  readonly name: string;
  readonly trustBundle: PemSource;
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
  /** Lower-case hex of the SHA-256 of the certificate; empty: not asked for. */
  readonly certificateHashes: readonly string[];
  readonly allowExpired: boolean;
  /** Absent: nothing is looked up. */
  readonly crl?: PemSource | undefined;
  readonly onlyVerifyLeafCrl?: boolean | undefined;
  /** Certificates between leaf and trust anchor; absent: 100, as OpenSSL. */
  readonly maxVerifyDepth?: number | undefined;
  /** Peers whose certificate does not verify come in, marked as not validated. */
  readonly acceptUntrusted?: boolean | undefined;
  /** envoy.tls.cert_validator.spiffe: takes the place of `trustedCa`. */
  readonly spiffeTrustDomains?: readonly SpiffeTrustDomainConfig[] | undefined;
}

/** Keys of 80 bytes; the first encrypts, all decrypt. */
export interface TicketKeysSecretConfig {
  readonly kind: 'ticket_keys';
  readonly name: string;
  readonly version: string;
  readonly keys: readonly Uint8Array[];
}

/** For filters (OAuth2, credentials injector): nothing in TLS uses it. */
export interface GenericSecretConfig {
  readonly kind: 'generic';
  readonly name: string;
  readonly version: string;
  readonly secret: PemSource;
}

export type SecretConfig =
  | CertificateSecretConfig
  | ValidationSecretConfig
  | TicketKeysSecretConfig
  | GenericSecretConfig;
