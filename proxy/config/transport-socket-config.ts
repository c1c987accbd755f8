// [b] Transport sockets as plain data. TLS settings are decoded and matched; the handshake itself comes later.

export type TransportSocketConfig =
  | { readonly kind: 'raw_buffer' }
  | { readonly kind: 'tls'; readonly settings: TlsContextConfig };

/** What is kept of a DownstreamTlsContext or UpstreamTlsContext until TLS is built. */
export interface TlsContextConfig {
  readonly alpnProtocols: readonly string[];
  readonly sni: string;
  readonly requireClientCertificate: boolean;
  /** Names of SDS secrets the context refers to (`default`, `ROOTCA`, …). */
  readonly certificateSecretNames: readonly string[];
  readonly validationSecretName: string | undefined;
}
