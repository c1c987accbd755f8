// Requests as openssl reads them.
import { execFileSync, spawnSync } from 'node:child_process';
import t from 'tap';

import { createCertificateRequest } from '../../../agent/security/certificate-request.ts';
import { generateWorkloadKey } from '../../../agent/security/key-pair.ts';
import type { KeyOptions } from '../../../agent/security/key-pair.ts';

const NAME = 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews';
const rsa: KeyOptions = { algorithm: 'RSA', rsaBits: 2048, curve: 'P256', pkcs8: false };

const cases: readonly {
  readonly name: string;
  readonly options: KeyOptions;
  readonly header: string;
  readonly says: RegExp;
}[] = [
  { name: 'RSA', options: rsa, header: 'RSA PRIVATE KEY', says: /2048 bit/ },
  { name: 'RSA in PKCS#8', options: { ...rsa, pkcs8: true }, header: 'PRIVATE KEY', says: /2048/ },
  {
    name: 'ECDSA on P-256',
    options: { ...rsa, algorithm: 'ECDSA' },
    header: 'EC PRIVATE KEY',
    says: /NIST CURVE: P-256/,
  },
  {
    name: 'ECDSA on P-384',
    options: { ...rsa, algorithm: 'ECDSA', curve: 'P384' },
    header: 'EC PRIVATE KEY',
    says: /NIST CURVE: P-384/,
  },
];

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

t.test('a certificate request', { skip: hasOpenssl ? false : 'no openssl here' }, async (t) => {
  for (const { name, options, header, says } of cases) {
    const key = await generateWorkloadKey(options);
    t.match(key.pem, new RegExp(`^-----BEGIN ${header}-----\n`), `${name}: form of the key`);
    const input = createCertificateRequest(NAME, key);
    const text = execFileSync('openssl', ['req', '-verify', '-noout', '-text'], {
      input,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    t.match(text, says, `${name}: key`);
    t.match(text, `URI:${NAME}`, `${name}: name`);
    t.match(text, /Subject Alternative Name: critical/, `${name}: the name cannot be overlooked`);
    t.match(text, /Subject: *\n/, `${name}: no other name`);
    const check = spawnSync('openssl', ['req', '-verify', '-noout'], { input });
    t.match(`${String(check.stdout)}${String(check.stderr)}`, /verify OK/, `${name}: signature`);
  }
});
