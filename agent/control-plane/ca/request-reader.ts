// [m] Reads a PKCS#10 request and proves that its sender holds the key (RFC 2986). What names it asks for does not matter: the
// authenticated caller's name is what gets certified, as istiod does it.
import { crypto } from '../../../proxy/base/node-builtins.ts';
import { OID } from '../../security/x509-parts.ts';
import type { KeyObject } from '../../security/x509-parts.ts';
import { DerError, DerReader, oidText, pemBytes, readSequence } from './der-reader.ts';

const MAX_REQUEST_CHARS = 65_536;

const HASHES: ReadonlyMap<string, { readonly hash: string; readonly type: string }> = new Map([
  [OID.sha256WithRsa, { hash: 'sha256', type: 'rsa' }],
  ['1.2.840.113549.1.1.12', { hash: 'sha384', type: 'rsa' }],
  ['1.2.840.113549.1.1.13', { hash: 'sha512', type: 'rsa' }],
  [OID.sha256WithEcdsa, { hash: 'sha256', type: 'ec' }],
  [OID.sha384WithEcdsa, { hash: 'sha384', type: 'ec' }],
  ['1.2.840.10045.4.3.4', { hash: 'sha512', type: 'ec' }],
]);

const CURVES: readonly (string | undefined)[] = ['prime256v1', 'secp384r1', 'secp521r1'];

/** SubjectPublicKeyInfo in DER. Throws a DerError with what is wrong. */
export function readCertificateRequest(pem: string): Uint8Array {
  if (pem.length > MAX_REQUEST_CHARS) throw new DerError('is too long');
  const request = readSequence(pemBytes('CERTIFICATE REQUEST', pem));
  const info = request.expect(0x30);
  const algorithm = oidText(new DerReader(request.expect(0x30).content).expect(0x06).content);
  const signature = request.expect(0x03).content;
  request.end();
  if (signature[0] !== 0) throw new DerError('has a signature that does not end with a byte');
  const fields = new DerReader(info.content);
  fields.expect(0x02);
  fields.expect(0x30);
  const spki = fields.expect(0x30).whole;
  verify({ spki, algorithm, signed: info.whole, signature: signature.subarray(1) });
  return spki;
}

interface SignedRequest {
  readonly spki: Uint8Array;
  readonly algorithm: string;
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

function verify({ spki, algorithm, signed, signature }: SignedRequest): void {
  const known = HASHES.get(algorithm);
  if (known === undefined)
    throw new DerError(`has signature algorithm ${algorithm}, which is not taken`);
  let key: KeyObject;
  try {
    key = crypto().createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch {
    throw new DerError('has no public key');
  }
  checkStrength(key);
  if (key.asymmetricKeyType !== known.type || !crypto().verify(known.hash, signed, key, signature))
    throw new DerError('has a signature that is not by its key');
}

function checkStrength(key: KeyObject): void {
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
  const strong =
    key.asymmetricKeyType === 'rsa'
      ? modulusLength >= 2048 && modulusLength <= 8192
      : key.asymmetricKeyType === 'ec' && CURVES.includes(namedCurve);
  if (!strong)
    throw new DerError(
      'has a key that is not taken (RSA of 2048 to 8192 bits, P-256, P-384, P-521 are)',
    );
}
