// Certificates for tests: an authority in memory, and identities of workloads signed by it, good or bad in any way.
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';

import { issueLeaf, issueRoot } from '../../agent/control-plane/ca/certificate-issuer.ts';
import type { Issuer } from '../../agent/control-plane/ca/certificate-issuer.ts';
import { readCertificateFacts } from '../../agent/control-plane/ca/certificate-names.ts';
import type { SubjectName } from '../../agent/security/x509-parts.ts';

const DAY_MS = 86_400_000;

export interface TestIdentity {
  readonly chainPem: string;
  readonly keyPem: string;
}

export interface IdentityOptions {
  readonly names?: readonly SubjectName[];
  readonly fromMs?: number;
  readonly untilMs?: number;
}

export class TestAuthority {
  readonly rootPem: string;
  readonly #issuer: Issuer;

  constructor(trustDomain = 'cluster.local') {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const now = Date.now();
    this.rootPem = issueRoot(pair, trustDomain, {
      notBeforeMs: now - DAY_MS,
      notAfterMs: now + 365 * DAY_MS,
    });
    const { subject, keyIdentifier } = readCertificateFacts(new X509Certificate(this.rootPem).raw);
    this.#issuer = { key: pair.privateKey, subject, keyIdentifier };
  }

  /** `spiffe`: the only name, unless `names` says others. */
  identity(spiffe: string, options: IdentityOptions = {}): TestIdentity {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const now = Date.now();
    const chainPem = issueLeaf(
      this.#issuer,
      {
        spki: publicKey.export({ type: 'spki', format: 'der' }),
        names: options.names ?? [{ kind: 'uri', value: spiffe }],
      },
      {
        notBeforeMs: options.fromMs ?? now - 60_000,
        notAfterMs: options.untilMs ?? now + DAY_MS,
      },
    );
    return { chainPem, keyPem: String(privateKey.export({ type: 'pkcs8', format: 'pem' })) };
  }
}

/** Whether the key is of the certificate. */
export const isPair = ({ chainPem, keyPem }: TestIdentity): boolean =>
  new X509Certificate(chainPem).checkPrivateKey(createPrivateKey(keyPem));
