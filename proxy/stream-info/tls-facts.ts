// [b] What logs tell of a TLS connection, either side. Texts as Envoy prints them; '' where there is none.

/** One certificate's subject alternative names by kind. */
export interface SubjectAltNames {
  readonly ip: readonly string[];
  readonly dns: readonly string[];
  readonly uri: readonly string[];
  readonly email: readonly string[];
  readonly otherName: readonly string[];
}

export interface PeerCertificateFacts {
  readonly subject: string;
  readonly issuer: string;
  readonly serial: string;
  /** Lower-case hex. */
  readonly fingerprint256: string;
  readonly fingerprint1: string;
  readonly names: SubjectAltNames;
  /** Milliseconds since the epoch. */
  readonly validFromMs: number;
  readonly validToMs: number;
  /** URL-encoded PEM, of the certificate and of the whole chain. */
  readonly pem: string;
  readonly chainPem: string;
  /** The peer's chain, leaf first. */
  readonly chainFingerprints256: readonly string[];
  readonly chainFingerprints1: readonly string[];
  readonly chainSerials: readonly string[];
}

export interface TlsFacts {
  /** `TLSv1.3` */
  readonly version: string;
  readonly cipher: string;
  /** Key exchange group, `X25519`. */
  readonly group: string;
  readonly sessionId: string;
  /** The protocol that ALPN agreed on; '' : none. */
  readonly alpn: string;
  readonly localSubject: string;
  readonly localNames: SubjectAltNames | null;
  readonly peer: PeerCertificateFacts | null;
  /** The peer's certificate was verified, and was good. */
  readonly validated: boolean;
  /** Monotonic; NaN until the handshake is over. */
  readonly handshakeEndMs: number;
}
