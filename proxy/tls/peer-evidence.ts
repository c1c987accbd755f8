// [w] What a finished handshake proves, gathered for PeerTrust.
import { Certificate, PeerFacts } from './certificate.ts';
import { MAX_CHAIN_LENGTH } from './chain-walk.ts';
import { DerError } from './der-reader.ts';
import type { PeerEvidence } from './peer-trust.ts';
import { certificateOfSession } from './session-certificate.ts';
import type { NativeCertificate, TlsHandle } from './tls-binding.ts';
import type { TlsEnvironment } from './tls-environment.ts';

/** The peer's certificate; null: it showed none; 'unreadable': one that no honest authority makes. */
export function peerOf(
  handle: TlsHandle,
  environment: TlsEnvironment,
): PeerFacts | null | 'unreadable' {
  const session = handle.getSession();
  if (session === undefined) return null;
  try {
    const der = certificateOfSession(session);
    if (der === null) return null;
    const leaf = environment.certificates.get(der);
    return new PeerFacts(leaf, lazyChain(handle.getPeerX509Certificate.bind(handle), leaf));
  } catch (error) {
    if (error instanceof DerError) return 'unreadable';
    throw error;
  }
}

/** OpenSSL's objects are asked once, and only where somebody wants to know. */
function lazyChain(
  first: () => NativeCertificate | undefined,
  leaf: Certificate,
): () => readonly Certificate[] {
  let chain: readonly Certificate[] | null = null;
  return () => (chain ??= readChain(first(), leaf));
}

function readChain(
  first: NativeCertificate | undefined,
  leaf: Certificate,
): readonly Certificate[] {
  const chain = [leaf];
  let next = first?.getIssuerCert();
  while (next !== undefined && chain.length < MAX_CHAIN_LENGTH) {
    try {
      chain.push(new Certificate(next.raw()));
    } catch (error) {
      if (error instanceof DerError) break;
      throw error;
    }
    next = next.getIssuerCert();
  }
  return chain;
}

export function evidenceOf(
  handle: TlsHandle,
  peer: PeerFacts | null,
  names: Pick<PeerEvidence, 'requiredNames' | 'requiredDnsName'>,
  nowMs: number,
): PeerEvidence {
  const error = handle.verifyError();
  return {
    leaf: peer === null ? null : peer.certificate,
    chain: () => (peer === null ? [] : peer.chain),
    verifyError: error === null || error === undefined ? null : error,
    resumed: handle.isSessionReused(),
    nowMs,
    ...names,
  };
}
