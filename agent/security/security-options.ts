// [m] SecurityOptions: who the workload is, who certifies it, and where files lie (istio-contract §6.2, §6.9). Paths are stock's, relative to
// the working directory as stock has them.
import { join } from 'node:path';

import type { NodeDescription, NodeIdentity } from '../node-metadata.ts';
import type { ProxyConfig } from '../proxy-config.ts';
import { headersOf, isTarget } from '../target.ts';
import type { VariableReader } from '../variable-reader.ts';
import type { KeyOptions } from './key-pair.ts';

export interface CertificateFiles {
  readonly chain: string;
  readonly key: string;
  readonly root: string;
}

/** Roots that a server is verified by: a file, read at each connection, or those of the system. */
export type RootSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'system' };

export interface ServerTrust {
  /** The first that exists counts; the last is named when none does. */
  readonly roots: readonly RootSource[];
  /** What we show; undefined: nothing. */
  readonly identity: { readonly chain: string; readonly key: string } | undefined;
  /** ISTIOD_SAN; undefined: the host of the address. */
  readonly serverName: string | undefined;
}

export type TokenSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'gce'; readonly host: string; readonly audience: string }
  | { readonly kind: 'none' };

export interface SecurityOptions {
  readonly spiffeName: string;
  readonly authority: {
    readonly address: string;
    /** Undefined: plaintext, which istiod takes for debugging alone. */
    readonly trust: ServerTrust | undefined;
    readonly headers: ReadonlyMap<string, string>;
    /** Asked for in the request's metadata; '' is none. */
    readonly signer: string;
  };
  readonly token: TokenSource;
  readonly key: KeyOptions;
  readonly lifeMs: number;
  /** Of a certificate's life, how much is left when it is renewed, and by how much that is shifted at random. */
  readonly graceRatio: number;
  readonly graceJitter: number;
  /** Instead of asking the authority, where they are there: the first pair that is. */
  readonly mounted: readonly CertificateFiles[];
  /** Files must be there: the authority is never asked. */
  readonly onlyMounted: boolean;
  readonly crlFile: string;
  readonly fileDebounceMs: number;
  /** '': nowhere. */
  readonly outputDir: string;
}

const MOUNTED: readonly CertificateFiles[] = [
  {
    chain: './var/run/secrets/workload-spiffe-credentials/certificates.pem',
    key: './var/run/secrets/workload-spiffe-credentials/private_key.pem',
    root: './var/run/secrets/workload-spiffe-credentials/ca_certificates.pem',
  },
  {
    chain: './etc/certs/cert-chain.pem',
    key: './etc/certs/key.pem',
    root: './etc/certs/root-cert.pem',
  },
];
const ISTIO_ROOT = './var/run/secrets/istio/root-cert.pem';
const KUBERNETES_ROOT = './var/run/secrets/kubernetes.io/serviceaccount/ca.crt';
const TOKENS = new Map([
  ['third-party-jwt', './var/run/secrets/tokens/istio-token'],
  ['first-party-jwt', './var/run/secrets/kubernetes.io/serviceaccount/token'],
]);
const CRL_FILE = './var/run/secrets/istio/crl/ca-crl.pem';
const SYSTEM_ROOTS = 'SYSTEM';

const fileRoot = (path: string): RootSource => ({ kind: 'file', path });

function providedRoot(read: VariableReader): string | undefined {
  const provider = read.text('PILOT_CERT_PROVIDER', 'istiod');
  if (provider === 'istiod' || provider.startsWith('k8s.io/')) return ISTIO_ROOT;
  if (provider === 'kubernetes') return KUBERNETES_ROOT;
  if (provider === 'custom') return MOUNTED[1]!.root;
  if (provider === 'none') return undefined;
  read.problems.push(
    `PILOT_CERT_PROVIDER: must be istiod, kubernetes, custom, none or k8s.io/<signer>, not "${provider}"`,
  );
  return ISTIO_ROOT;
}

function readTrust(variable: 'XDS_ROOT_CA' | 'CA_ROOT_CA', read: VariableReader): ServerTrust {
  const given = read.text(variable, '');
  const provisioned = read.text('PROV_CERT', '');
  const roots: RootSource[] = [];
  if (given === SYSTEM_ROOTS) roots.push({ kind: 'system' });
  else if (given !== '') roots.push(fileRoot(given));
  else {
    const provider = providedRoot(read);
    const byFiles = provider === KUBERNETES_ROOT || provider === MOUNTED[1]!.root;
    // Stock looks at mounted certificates for xDS only: who mounts them has no authority to ask.
    if (variable === 'XDS_ROOT_CA') roots.push(fileRoot(MOUNTED[1]!.root));
    if (provisioned !== '' && !byFiles) roots.push(fileRoot(join(provisioned, 'root-cert.pem')));
    const fromMetadata = read.variables.get('ISTIO_META_TLS_CLIENT_ROOT_CERT');
    if (variable === 'XDS_ROOT_CA' && fromMetadata !== undefined)
      roots.push(fileRoot(fromMetadata));
    roots.push(provider === undefined ? { kind: 'system' } : fileRoot(provider));
  }
  return { roots, identity: readIdentity(variable, read), serverName: serverName(read) };
}

const serverName = (read: VariableReader): string | undefined => {
  const name = read.text('ISTIOD_SAN', '');
  return name === '' ? undefined : name;
};

function readIdentity(
  variable: 'XDS_ROOT_CA' | 'CA_ROOT_CA',
  read: VariableReader,
): ServerTrust['identity'] {
  const provisioned = read.text('PROV_CERT', '');
  if (provisioned !== '') {
    return { chain: join(provisioned, 'cert-chain.pem'), key: join(provisioned, 'key.pem') };
  }
  const chain = read.variables.get('ISTIO_META_TLS_CLIENT_CERT_CHAIN');
  const key = read.variables.get('ISTIO_META_TLS_CLIENT_KEY');
  const ofFiles = read.flag('FILE_MOUNTED_CERTS', false) && variable === 'XDS_ROOT_CA';
  if (!ofFiles || chain === undefined || key === undefined) return undefined;
  return { chain, key };
}

/** How the agent makes sure of the control plane whose configuration it relays. */
export const readXdsTrust = (read: VariableReader): ServerTrust => readTrust('XDS_ROOT_CA', read);

export function readTokenSource(read: VariableReader): TokenSource {
  const provider = read.text('CREDENTIAL_IDENTITY_PROVIDER', 'GoogleComputeEngine');
  if (provider !== 'GoogleComputeEngine') {
    read.problems.push(
      `CREDENTIAL_IDENTITY_PROVIDER: only GoogleComputeEngine is known, not "${provider}"`,
    );
  }
  const policy = read.text('JWT_POLICY', 'third-party-jwt');
  const path = TOKENS.get(policy);
  if (path === undefined)
    read.problems.push(`JWT_POLICY: must be ${[...TOKENS.keys()].join(' or ')}, not "${policy}"`);
  const fetcher = read.variables.get('CREDENTIAL_FETCHER_TYPE') ?? 'JWT';
  switch (fetcher) {
    case 'JWT':
      return { kind: 'file', path: path ?? '' };
    case 'GoogleComputeEngine':
      return {
        kind: 'gce',
        host: read.text('GCE_METADATA_HOST', '169.254.169.254'),
        audience: read.text('TRUST_DOMAIN', 'cluster.local'),
      };
    case '':
      return { kind: 'none' };
    default:
      read.problems.push(
        `CREDENTIAL_FETCHER_TYPE: must be JWT, GoogleComputeEngine or empty, not "${fetcher}"`,
      );
      return { kind: 'none' };
  }
}

function readKey(read: VariableReader): KeyOptions {
  const algorithm = read.variables.get('ECC_SIGNATURE_ALGORITHM') ?? '';
  if (algorithm !== '' && algorithm !== 'ECDSA')
    read.problems.push(`ECC_SIGNATURE_ALGORITHM: must be ECDSA or empty, not "${algorithm}"`);
  const curve = read.text('ECC_CURVE', 'P256');
  if (curve !== 'P256' && curve !== 'P384')
    read.problems.push(`ECC_CURVE: must be P256 or P384, not "${curve}"`);
  return {
    algorithm: algorithm === 'ECDSA' ? 'ECDSA' : 'RSA',
    rsaBits: read.count('WORKLOAD_RSA_KEY_SIZE', 2048, 2048, 8192),
    curve: curve === 'P384' ? 'P384' : 'P256',
    pkcs8: read.flag('PKCS8_KEY', false),
  };
}

export interface SecurityInputs {
  readonly identity: NodeIdentity;
  readonly node: NodeDescription;
  readonly proxyConfig: ProxyConfig;
  readonly read: VariableReader;
}

const LIFE_LIMIT_MS = 10 * 365 * 86_400_000;

function readAuthority({ node, proxyConfig, read }: SecurityInputs): SecurityOptions['authority'] {
  const provider = read.text('CA_PROVIDER', 'Citadel');
  if (provider !== 'Citadel')
    read.problems.push(`CA_PROVIDER: only Citadel is known, not "${provider}"`);
  const given = read.text('CA_ADDR', '');
  const address = given === '' ? read.text('XDS_ADDR', proxyConfig.discoveryAddress) : given;
  if (given !== '' && !isTarget(given))
    read.problems.push(`CA_ADDR: must be host:port or unix:<path>, not "${address}"`);
  return {
    address,
    // As stock: this port is istiod's plaintext one.
    trust: address.endsWith(':15010') ? undefined : readTrust('CA_ROOT_CA', read),
    headers: headersOf('CA_HEADER_', node, read),
    signer: read.text('ISTIO_META_CERT_SIGNER', ''),
  };
}

export function readSecurity(inputs: SecurityInputs): SecurityOptions {
  const { identity, read } = inputs;
  const account = identity.serviceAccount === '' ? 'default' : identity.serviceAccount;
  const lifeMs = read.durationMs('SECRET_TTL', '24h');
  if (lifeMs < 1000 || lifeMs > LIFE_LIMIT_MS)
    read.problems.push('SECRET_TTL: must be from one second to ten years');
  return {
    spiffeName: `spiffe://${read.text('TRUST_DOMAIN', 'cluster.local')}/ns/${identity.podNamespace}/sa/${account}`,
    authority: readAuthority(inputs),
    token: readTokenSource(read),
    key: readKey(read),
    lifeMs,
    graceRatio: read.fraction('SECRET_GRACE_PERIOD_RATIO', 0.5),
    graceJitter: read.fraction('SECRET_GRACE_PERIOD_RATIO_JITTER', 0.01),
    mounted: MOUNTED,
    onlyMounted: read.flag('FILE_MOUNTED_CERTS', false),
    crlFile: CRL_FILE,
    fileDebounceMs: read.durationMs('FILE_DEBOUNCE_DURATION', '100ms'),
    outputDir: read.text('OUTPUT_CERTS', ''),
  };
}
