// [m] Signs certificates: the root's own, workloads', the control plane's (RFC 5280). Fields as istiod's authority sets them.
import { crypto } from '../../../proxy/base/node-builtins.ts';
import {
  bitString,
  bool,
  constructed,
  objectIdentifier,
  octetString,
  pem,
  primitive,
  sequence,
  setOf,
  smallInteger,
  time,
  unsignedInteger,
  utf8String,
} from '../../security/der-writer.ts';
import {
  extension,
  OID,
  signatureAlgorithm,
  signBytes,
  subjectAltName,
} from '../../security/x509-parts.ts';
import type { KeyObject, SubjectName } from '../../security/x509-parts.ts';

export interface Issuer {
  readonly key: KeyObject;
  /** DER of the Name; empty: the certificate signs itself. */
  readonly subject: Uint8Array;
  readonly keyIdentifier: Uint8Array | undefined;
}

export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

const DIGITAL_SIGNATURE_AND_KEY_ENCIPHERMENT = bitString(Uint8Array.of(0xa0), 5);
const CERTIFICATE_AND_CRL_SIGN = bitString(Uint8Array.of(0x06), 1);

/** 20 bytes are the most that is allowed; 16 random ones are never seen twice. */
function serialNumber(): Uint8Array {
  const bytes = crypto().randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return unsignedInteger(bytes);
}

interface Subject {
  readonly name: Uint8Array;
  readonly spki: Uint8Array;
  readonly extensions: readonly Uint8Array[];
}

function sign(issuer: Issuer, subject: Subject, validity: Validity): string {
  const algorithm = signatureAlgorithm(issuer.key);
  const body = sequence(
    constructed(0, smallInteger(2)),
    serialNumber(),
    algorithm,
    issuer.subject,
    sequence(time(validity.notBeforeMs), time(validity.notAfterMs)),
    subject.name,
    subject.spki,
    constructed(3, sequence(...subject.extensions)),
  );
  return pem('CERTIFICATE', sequence(body, algorithm, bitString(signBytes(body, issuer.key))));
}

const keyIdentifierOf = (spki: Uint8Array): Uint8Array =>
  crypto().createHash('sha1').update(spki).digest();

/** Of a workload or a server: no authority, for both ends of a connection, named by `names` alone. */
export function issueLeaf(
  issuer: Issuer,
  leaf: { readonly spki: Uint8Array; readonly names: readonly SubjectName[] },
  validity: Validity,
): string {
  const usages = [OID.serverAuth, OID.clientAuth].map(objectIdentifier);
  const extensions = [
    extension(OID.keyUsage, true, DIGITAL_SIGNATURE_AND_KEY_ENCIPHERMENT),
    extension(OID.extendedKeyUsage, false, sequence(...usages)),
    extension(OID.basicConstraints, true, sequence()),
  ];
  if (issuer.keyIdentifier !== undefined) {
    const identifier = sequence(primitive(0, issuer.keyIdentifier));
    extensions.push(extension(OID.authorityKeyIdentifier, false, identifier));
  }
  extensions.push(subjectAltName(leaf.names));
  return sign(issuer, { name: sequence(), spki: leaf.spki, extensions }, validity);
}

/** A root for `trustDomain`. */
export function issueRoot(
  pair: { readonly privateKey: KeyObject; readonly publicKey: KeyObject },
  trustDomain: string,
  validity: Validity,
): string {
  const spki = pair.publicKey.export({ type: 'spki', format: 'der' });
  const name = sequence(
    setOf(sequence(objectIdentifier(OID.organization), utf8String(trustDomain))),
    setOf(sequence(objectIdentifier(OID.commonName), utf8String('Outrigger local root'))),
  );
  const keyIdentifier = keyIdentifierOf(spki);
  const extensions = [
    extension(OID.keyUsage, true, CERTIFICATE_AND_CRL_SIGN),
    extension(OID.basicConstraints, true, sequence(bool(true))),
    extension(OID.subjectKeyIdentifier, false, octetString(keyIdentifier)),
  ];
  const issuer = { key: pair.privateKey, subject: name, keyIdentifier };
  return sign(issuer, { name, spki, extensions }, validity);
}
