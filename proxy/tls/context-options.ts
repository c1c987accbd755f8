// [b] An SSL_CTX of one certificate: what a TLS context's settings are in OpenSSL's terms.
import { crypto } from '../base/node-builtins.ts';
import type { SecureContextOptions } from 'node:tls';
import type { CertificateSecretConfig } from '../config/secret-config.ts';
import { ConfigError } from '../config/config-error.ts';
import type { TlsContextConfig, TlsParametersConfig } from '../config/transport-socket-config.ts';
import { certificatesOf } from './certificate.ts';
import type { Certificate } from './certificate.ts';
import { DerError } from './der-reader.ts';
import type { PeerTrust } from './peer-trust.ts';
import { readPem } from './pem-files.ts';

/** BoringSSL's order on machines with AES instructions; OpenSSL puts the larger key first. */
const TLS13_AES_SUITES = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384';
const TLS13_SUITES = `${TLS13_AES_SUITES}:TLS_CHACHA20_POLY1305_SHA256`;

/** A certificate with its key, read together and proven to belong together. */
export interface CertificateMaterial {
  readonly name: string;
  readonly chainPem: string;
  readonly keyPem: string;
  readonly passphrase: string | undefined;
  /** Leaf first. */
  readonly chain: readonly Certificate[];
}

/** Throws ConfigError; no message holds any part of the key. */
export function loadCertificate(config: CertificateSecretConfig): CertificateMaterial {
  const chainPem = readPem(config.certificateChain, 'certificate_chain');
  const keyPem = readPem(config.privateKey, 'private_key');
  const passphrase =
    config.password === undefined ? undefined : readPem(config.password, 'password');
  const chain = readChain(chainPem);
  if (chain.length === 0)
    throw new ConfigError([
      { path: 'certificate_chain', message: 'Failed to load certificate chain from <inline>' },
    ]);
  return { name: config.name, chainPem, keyPem, passphrase, chain };
}

function readChain(pem: string): readonly Certificate[] {
  try {
    return certificatesOf(pem);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    const message = `Failed to load certificate chain from <inline>: ${error.message}`;
    throw new ConfigError([{ path: 'certificate_chain', message }]);
  }
}

/** Everything a session depends on, as a hash: of two contexts that differ in it neither takes the other's tickets. */
export function fingerprintOf(
  config: TlsContextConfig,
  material: CertificateMaterial | null,
  trust: unknown,
): Buffer {
  const digest = crypto().createHash('sha256');
  digest.update(JSON.stringify({ ...config, certificates: [], ticketKeys: undefined }));
  digest.update(JSON.stringify(trust ?? null));
  digest.update(material?.chain[0]?.fingerprint256 ?? '');
  return digest.digest();
}

export function contextOptions(
  config: TlsContextConfig,
  material: CertificateMaterial | null,
  trust: PeerTrust | null,
): SecureContextOptions {
  const options: SecureContextOptions = {
    ...parameterOptions(config.parameters),
    // Never Node's own roots: an empty list is taken as it is.
    ca: trust === null || trust.caPem === '' ? [] : trust.caPem,
    allowPartialTrustChain: true,
    secureOptions: secureOptions(config),
  };
  if (material !== null) {
    options.cert = withIssuer(material, trust);
    options.key = material.keyPem;
    if (material.passphrase !== undefined) options.passphrase = material.passphrase;
  }
  if (trust !== null && trust.crlPem !== '') options.crl = trust.crlPem;
  return options;
}

/**
 * OpenSSL completes a chain of one from its store, for each handshake anew, and verifies what it found (a signature, as dear
 * as the handshake's own). What it would send is given to it once.
 */
function withIssuer({ chain, chainPem }: CertificateMaterial, trust: PeerTrust | null): string {
  const [leaf] = chain;
  if (chain.length > 1 || leaf === undefined || trust === null) return chainPem;
  const issuer = trust.anchors.find(({ subjectDer }) => sameBytes(subjectDer, leaf.issuerDer));
  return issuer === undefined ? chainPem : `${chainPem.trimEnd()}\n${issuer.pem}`;
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

function parameterOptions(parameters: TlsParametersConfig): SecureContextOptions {
  const { minVersion, maxVersion, cipherSuites, curves, signatureAlgorithms, aesOnly } = parameters;
  const suites = aesOnly === true ? TLS13_AES_SUITES : TLS13_SUITES;
  // What OpenSSL of today thinks too weak at its usual level: TLS 1.0 and 1.1 where they are asked for.
  const level = minVersion === 'TLSv1' || minVersion === 'TLSv1.1' ? ':@SECLEVEL=0' : '';
  return {
    minVersion,
    maxVersion,
    ciphers: `${suites}:${cipherSuites.join(':')}${level}`,
    ecdhCurve: curves.join(':'),
    ...(signatureAlgorithms.length > 0 && { sigalgs: signatureAlgorithms.join(':') }),
  };
}

function secureOptions(config: TlsContextConfig): number {
  const { constants } = crypto();
  let options = constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION;
  if (config.side === 'downstream') {
    if (!config.preferClientCiphers) options |= constants.SSL_OP_CIPHER_SERVER_PREFERENCE;
    if (config.disableTickets) options |= constants.SSL_OP_NO_TICKET;
  }
  return options;
}
