// [m] The folder of the authority: the key that the whole mesh trusts, and what goes with it. File names are those of Istio's `cacerts`,
// so that an intermediate authority can be put in; where there is no key, a root is made.
//
// The folder is its owner's alone (0700), and so are the files of keys (0600); a key that others could read is not used.
import { join } from 'node:path';

import { fs } from '../../../proxy/base/node-builtins.ts';
import { crypto } from '../../../proxy/base/node-builtins.ts';
import type { KeyObject } from '../../security/x509-parts.ts';
import { readCertificateFacts } from './certificate-names.ts';
import { issueRoot } from './certificate-issuer.ts';
import type { Issuer } from './certificate-issuer.ts';

export interface CaMaterial {
  readonly issuer: Issuer;
  readonly notAfterMs: number;
  /** Between a leaf and the root; PEM, one certificate each. */
  readonly intermediates: readonly string[];
  readonly rootPem: string;
  /** Signs the tokens by which workloads are known. */
  readonly tokenKey: KeyObject;
}

const KEY = 'ca-key.pem';
const CERTIFICATE = 'ca-cert.pem';
const CHAIN = 'cert-chain.pem';
const ROOT = 'root-cert.pem';
const TOKEN_KEY = 'token-key.pem';
const TEN_YEARS_MS = 3650 * 86_400_000;
const CLOCK_SKEW_MS = 120_000;
const OTHERS = 0o077;

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----/g;

const certificatesIn = (text: string): string[] =>
  [...text.matchAll(PEM_CERTIFICATE)].map(([block]) => `${block}\n`);

/** Throws an Error whose message says which file is wrong and what to do. */
export function openCaFolder(folder: string, trustDomain: string, wallMs: number): CaMaterial {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  refuseOthers(folder, 'chmod 700');
  const file = (name: string): string => join(folder, name);
  const exists = (name: string): boolean => fs.existsSync(file(name));
  const key = keyIn(file(KEY));
  if (!exists(CERTIFICATE)) {
    const pair = { privateKey: key, publicKey: crypto().createPublicKey(key) };
    const validity = { notBeforeMs: wallMs - CLOCK_SKEW_MS, notAfterMs: wallMs + TEN_YEARS_MS };
    const pem = issueRoot(pair, trustDomain, validity);
    putFile(file(ROOT), pem, 0o644);
    putFile(file(CERTIFICATE), pem, 0o644);
  }
  const certificatePem = fs.readFileSync(file(CERTIFICATE), 'utf8');
  const certificate = new (crypto().X509Certificate)(certificatePem);
  if (!certificate.ca) throw new Error(`${file(CERTIFICATE)}: is no certificate of an authority`);
  if (!certificate.checkPrivateKey(key))
    throw new Error(`${file(CERTIFICATE)}: is not of the key in ${file(KEY)}`);
  const rootPem = exists(ROOT) ? fs.readFileSync(file(ROOT), 'utf8') : certificatePem;
  const roots = certificatesIn(rootPem);
  const chain = exists(CHAIN) ? certificatesIn(fs.readFileSync(file(CHAIN), 'utf8')) : [];
  const { subject, keyIdentifier } = readCertificateFacts(certificate.raw);
  return {
    issuer: { key, subject, keyIdentifier },
    notAfterMs: Date.parse(certificate.validTo),
    intermediates: chain.filter((pem) => !roots.includes(pem)),
    rootPem,
    tokenKey: keyIn(file(TOKEN_KEY)),
  };
}

/** Makes one where there is none. */
function keyIn(path: string): KeyObject {
  if (!fs.existsSync(path)) {
    const { privateKey } = crypto().generateKeyPairSync('ec', { namedCurve: 'P-256' });
    putFile(path, String(privateKey.export({ type: 'pkcs8', format: 'pem' })), 0o600);
  }
  refuseOthers(path, 'chmod 600');
  try {
    return crypto().createPrivateKey(fs.readFileSync(path));
  } catch {
    // What OpenSSL says may hold parts of the input.
    throw new Error(`${path}: is no private key in PEM`);
  }
}

function refuseOthers(path: string, remedy: string): void {
  if ((fs.statSync(path).mode & OTHERS) !== 0)
    throw new Error(`${path}: others may read it, so it is not trusted; run ${remedy} on it`);
}

/** Whole or not at all, and never over what another process has put there meanwhile. */
function putFile(path: string, text: string, mode: number): void {
  const partial = `${path}.${process.pid}.partial`;
  fs.writeFileSync(partial, text, { mode, flag: 'wx' });
  try {
    fs.linkSync(partial, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    fs.unlinkSync(partial);
  }
}
