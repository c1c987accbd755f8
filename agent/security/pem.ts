// [m] PEM bundles: the certificates in a text, when they begin and end, and whether a key goes with the first.
import { crypto } from '../../proxy/base/node-builtins.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----/g;
const MAX_CERTIFICATES = 500;

export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export const certificatesIn = (text: string): readonly string[] =>
  [...text.matchAll(CERTIFICATE)].slice(0, MAX_CERTIFICATES).map(([pem]) => `${pem}\n`);

/** What all of them have in common: the latest begin and the earliest end. Undefined: no certificate, or a broken one. */
export function validityOf(pems: readonly string[]): Validity | undefined {
  let notBeforeMs = -Infinity;
  let notAfterMs = Infinity;
  try {
    for (const pem of pems) {
      const { validFromDate, validToDate } = new (crypto().X509Certificate)(pem);
      notBeforeMs = Math.max(notBeforeMs, validFromDate.getTime());
      notAfterMs = Math.min(notAfterMs, validToDate.getTime());
    }
  } catch {
    return undefined;
  }
  return pems.length === 0 ? undefined : { notBeforeMs, notAfterMs };
}

/** Undefined: they go together; else what is wrong, without any part of either. */
export function pairProblem(chainPem: string, keyPem: string): string | undefined {
  const [leaf] = certificatesIn(chainPem);
  if (leaf === undefined) return 'holds no certificate';
  try {
    const certificate = new (crypto().X509Certificate)(leaf);
    if (certificate.checkPrivateKey(crypto().createPrivateKey(keyPem))) return undefined;
  } catch {
    return 'the certificate or its key cannot be read';
  }
  return 'the certificate is not of the key';
}

/** One after the other, each once. */
export function joinRoots(bundles: readonly string[]): string {
  return [...new Set(bundles.flatMap(certificatesIn))].join('');
}
