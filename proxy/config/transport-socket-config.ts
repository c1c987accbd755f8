// [b] Transport sockets as plain data (envoy.extensions.transport_sockets.tls.v3; envoy-behaviour §9.1).
import type { UpstreamProxyProtocolConfig } from './proxy-protocol-config.ts';
import type {
  CertificateSecretConfig,
  SecretRef,
  TicketKeysSecretConfig,
  ValidationSecretConfig,
} from './secret-config.ts';

export type TransportSocketConfig = (
  | { readonly kind: 'raw_buffer' }
  | { readonly kind: 'tls'; readonly settings: TlsContextConfig }
) & {
  /** A header that goes first, before any handshake; absent: none. */
  readonly proxyProtocol?: UpstreamProxyProtocolConfig | undefined;
};

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

export interface TlsParametersConfig {
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** OpenSSL's names for up to TLS 1.2, in order of preference, without the brackets of groups. */
  readonly cipherSuites: readonly string[];
  /** OpenSSL's names of groups. */
  readonly curves: readonly string[];
  /** IANA names; empty: the library's own. */
  readonly signatureAlgorithms: readonly string[];
  /** No ChaCha20 in TLS 1.3 either. */
  readonly aesOnly?: true;
}

export type CertificateSource =
  | { readonly kind: 'inline'; readonly certificate: CertificateSecretConfig }
  | { readonly kind: 'secret'; readonly secret: SecretRef };

/** Both: the secret is merged into what is written inline. */
export interface ValidationSource {
  readonly inline: ValidationSecretConfig | undefined;
  readonly secret: SecretRef | undefined;
}

export type TicketKeysSource =
  | { readonly kind: 'inline'; readonly keys: TicketKeysSecretConfig }
  | { readonly kind: 'secret'; readonly secret: SecretRef };

interface CommonTlsConfig {
  readonly parameters: TlsParametersConfig;
  readonly alpnProtocols: readonly string[];
  readonly certificates: readonly CertificateSource[];
  /** Undefined: the peer is not verified. */
  readonly validation: ValidationSource | undefined;
}

export interface DownstreamTlsConfig extends CommonTlsConfig {
  readonly side: 'downstream';
  readonly requireClientCertificate: boolean;
  readonly requireSni: boolean;
  /** Undefined: keys of this process. */
  readonly ticketKeys: TicketKeysSource | undefined;
  readonly disableTickets: boolean;
  /** Default 7200. */
  readonly sessionTimeoutSeconds: number;
  readonly preferClientCiphers: boolean;
  readonly fullScanOnSniMismatch: boolean;
}

export interface UpstreamTlsConfig extends CommonTlsConfig {
  readonly side: 'upstream';
  /** '': none. */
  readonly sni: string;
  /** The endpoint's hostname goes before `sni`. */
  readonly autoHostSni: boolean;
  /** The server's certificate must have the sent SNI among its DNS names. */
  readonly autoSniSanValidation: boolean;
  /** Sessions kept for resumption; 0: none. Default 1. */
  readonly maxSessionKeys: number;
}

export type TlsContextConfig = DownstreamTlsConfig | UpstreamTlsConfig;

/** Secrets that a context cannot do without, in the order of the configuration. */
export function secretsOf(config: TlsContextConfig): readonly SecretRef[] {
  const refs: SecretRef[] = [];
  for (const source of config.certificates) if (source.kind === 'secret') refs.push(source.secret);
  if (config.validation?.secret !== undefined) refs.push(config.validation.secret);
  if (config.side === 'downstream' && config.ticketKeys?.kind === 'secret')
    refs.push(config.ticketKeys.secret);
  return refs;
}
