// [m] A PKCS#10 request that names a workload by its SPIFFE URI and nothing else (RFC 2986, istio-contract §6.9).
import {
  bitString,
  constructed,
  objectIdentifier,
  pem,
  sequence,
  setOf,
  smallInteger,
} from './der-writer.ts';
import type { WorkloadKey } from './key-pair.ts';
import { OID, signatureAlgorithm, signBytes, subjectAltName } from './x509-parts.ts';

export function createCertificateRequest(
  spiffeName: string,
  key: Pick<WorkloadKey, 'privateKey' | 'publicKey'>,
): string {
  const extensions = sequence(subjectAltName([{ kind: 'uri', value: spiffeName }]));
  const attribute = sequence(objectIdentifier(OID.extensionRequest), setOf(extensions));
  const info = sequence(
    smallInteger(0),
    // An empty subject.
    sequence(),
    key.publicKey.export({ type: 'spki', format: 'der' }),
    constructed(0, attribute),
  );
  const signature = bitString(signBytes(info, key.privateKey));
  return pem('CERTIFICATE REQUEST', sequence(info, signatureAlgorithm(key.privateKey), signature));
}
