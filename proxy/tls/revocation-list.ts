// [b] Revocation lists from configuration, for the leaf alone (only_verify_leaf_cert_crl; RFC 5280 §5). The list is trusted as
// the rest of the configuration is; OpenSSL looks into lists itself where the whole chain is asked for.
import type { Certificate } from './certificate.ts';
import { pemBlocks } from './certificate.ts';
import { DerReader, Tag } from './der-reader.ts';

export class RevocationList {
  readonly #issuer: Buffer;
  readonly #serials = new Set<string>();

  /** Throws DerError. */
  constructor(der: Uint8Array) {
    const body = new DerReader(der).expect(Tag.Sequence).expect(Tag.Sequence);
    body.optional(Tag.Integer);
    body.expect(Tag.Sequence);
    this.#issuer = Buffer.from(body.whole());
    body.next();
    if (body.optional(Tag.UtcTime) === null) body.optional(Tag.GeneralizedTime);
    const revoked = body.optional(Tag.Sequence);
    while (revoked !== null && !revoked.done) {
      const serial = revoked.expect(Tag.Sequence).expect(Tag.Integer).rest();
      this.#serials.add(Buffer.from(serial).toString('hex'));
    }
  }

  issuedFor(certificate: Certificate): boolean {
    return this.#issuer.equals(certificate.issuerDer);
  }

  /** Serial numbers are compared as hex of their DER, leading zero byte and all. */
  revokes(certificate: Certificate): boolean {
    return this.#serials.has(certificate.serial) || this.#serials.has(`00${certificate.serial}`);
  }
}

export const revocationListsOf = (pem: string): readonly RevocationList[] =>
  pemBlocks(pem, 'X509 CRL').map((der) => new RevocationList(der));

/** '' : not revoked; otherwise OpenSSL's words. */
export function revocationProblem(lists: readonly RevocationList[], leaf: Certificate): string {
  const applicable = lists.filter((list) => list.issuedFor(leaf));
  if (applicable.length === 0) return 'unable to get certificate CRL';
  return applicable.some((list) => list.revokes(leaf)) ? 'certificate revoked' : '';
}
