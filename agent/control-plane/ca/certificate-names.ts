// [m] What a certificate says in DER: its subject's bytes, its key's identifier, the URIs it names. Never from a printed form, in which a
// name may pretend to be two (attack 61).
import { OID } from '../../security/x509-parts.ts';
import { DerReader, oidText, readSequence } from './der-reader.ts';

export interface CertificateFacts {
  /** DER of the Name. */
  readonly subject: Uint8Array;
  readonly keyIdentifier: Uint8Array | undefined;
  readonly uris: readonly string[];
}

/** Throws a DerError where the bytes are no certificate. */
export function readCertificateFacts(der: Uint8Array): CertificateFacts {
  const certificate = readSequence(der);
  const fields = new DerReader(certificate.expect(0x30).content);
  fields.optional(0xa0);
  fields.expect(0x02);
  fields.expect(0x30);
  fields.expect(0x30);
  fields.expect(0x30);
  const subject = fields.expect(0x30).whole;
  fields.expect(0x30);
  fields.optional(0x81);
  fields.optional(0x82);
  const extensions = readExtensions(fields.optional(0xa3)?.content);
  const names = extensions.get(OID.subjectAltName);
  const identifier = extensions.get(OID.subjectKeyIdentifier);
  return {
    subject,
    keyIdentifier: identifier && new DerReader(identifier).expect(0x04).content,
    uris: names === undefined ? [] : urisOf(names),
  };
}

function readExtensions(content: Uint8Array | undefined): ReadonlyMap<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  if (content === undefined) return found;
  const list = readSequence(content);
  while (!list.atEnd) {
    const one = new DerReader(list.expect(0x30).content);
    const id = oidText(one.expect(0x06).content);
    one.optional(0x01);
    found.set(id, one.expect(0x04).content);
  }
  return found;
}

const URI_TAG = 0x86;

function urisOf(names: Uint8Array): string[] {
  const uris: string[] = [];
  const list = readSequence(names);
  while (!list.atEnd) {
    const { tag, content } = list.next();
    if (tag === URI_TAG) uris.push(Buffer.from(content).toString('latin1'));
  }
  return uris;
}
