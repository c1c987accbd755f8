// [b] A second look at a peer's chain, for rules that OpenSSL's verdict (the last error of a whole chain) cannot tell: which
// anchor vouches for the leaf (SPIFFE bundles), and whether all is well but for its age (allow_expired_certificate).
// Signatures are checked anew; OpenSSL's own verdict is asked besides, never instead.
import { crypto } from '../base/node-builtins.ts';
import type { Certificate } from './certificate.ts';

/** Chains of peers that are longer are not looked at (attack checklist 66). */
export const MAX_CHAIN_LENGTH = 20;

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

function isSignedBy(certificate: Certificate, issuer: Certificate): boolean {
  if (!issuer.isCa || !equal(certificate.issuerDer, issuer.subjectDer)) return false;
  const { X509Certificate } = crypto();
  try {
    const subject = new X509Certificate(certificate.der);
    const authority = new X509Certificate(issuer.der);
    return subject.checkIssued(authority) && subject.verify(authority.publicKey);
  } catch {
    return false;
  }
}

/** The chain from the leaf to one of the anchors, both included; null where there is none. */
export function walkChain(
  chain: readonly Certificate[],
  anchors: readonly Certificate[],
): readonly Certificate[] | null {
  const [leaf, ...others] = chain.slice(0, MAX_CHAIN_LENGTH);
  if (leaf === undefined) return null;
  const path = [leaf];
  const unused = new Set(others);
  for (;;) {
    const last = path.at(-1)!;
    const anchor = anchors.find(
      (candidate) => equal(candidate.der, last.der) || isSignedBy(last, candidate),
    );
    if (anchor !== undefined) return equal(anchor.der, last.der) ? path : [...path, anchor];
    const next = [...unused].find((candidate) => isSignedBy(last, candidate));
    if (next === undefined) return null;
    unused.delete(next);
    path.push(next);
  }
}
