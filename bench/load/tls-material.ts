// Certificates of one run of the bench: made on the spot, written beside the logs.
//
// Istio's agent makes RSA keys of 2048 bits unless told otherwise (ECC_SIGNATURE_ALGORITHM).
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { TestCertificate } from '../../test/support/test-certificates.ts';

/** Paths of PEM files. */
export interface TlsMaterial {
  readonly ca: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

/** What one proxy of a case does with TLS. */
export interface HopTls {
  /** `mtls`: wants a certificate of its clients. */
  readonly accepts: 'tls' | 'mtls' | undefined;
  /** To the next hop, with a certificate. */
  readonly dials: boolean;
  readonly material: TlsMaterial;
}

export type KeyKind = 'P-256' | 'rsa';

/** Made by the first call for a folder and kind. */
export function tlsMaterial(dir: string, key: KeyKind): TlsMaterial {
  const folder = join(dir, `tls-${key}`);
  const path = (name: string): string => join(folder, name);
  const material = {
    ca: path('ca.pem'),
    serverCert: path('server.pem'),
    serverKey: path('server.key'),
    clientCert: path('client.pem'),
    clientKey: path('client.key'),
  };
  if (existsSync(material.ca)) return material;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const root = TestCertificate.root({ key });
  const write = (file: string, text: string): void => writeFileSync(file, text, { mode: 0o600 });
  for (const [name, certFile, keyFile] of [
    ['server', material.serverCert, material.serverKey],
    ['client', material.clientCert, material.clientKey],
  ] as const) {
    const names = [{ uri: `spiffe://cluster.local/ns/bench/sa/${name}` }];
    const leaf = root.issue({ commonName: name, names, key });
    write(certFile, leaf.pem);
    write(keyFile, leaf.keyPem);
  }
  write(material.ca, root.pem);
  return material;
}

/** For a client of the bench's own. */
export const clientOptions = (
  material: TlsMaterial,
): { readonly cert: Buffer; readonly key: Buffer; readonly rejectUnauthorized: false } => ({
  cert: readFileSync(material.clientCert),
  key: readFileSync(material.clientKey),
  rejectUnauthorized: false,
});
