// [b] PeerTrust: who may be at the other end (envoy-behaviour §9.2). Asked after every handshake, resumed ones too: OpenSSL has
// verified the chain, here its verdict is read and the rest is checked, in Envoy's order: chain, names, hashes.
import type { ValidationSecretConfig } from '../config/secret-config.ts';
import { ConfigError } from '../config/config-error.ts';
import { Certificate, pemBlocks } from './certificate.ts';
import type { AltNames } from './certificate.ts';
import { walkChain } from './chain-walk.ts';
import { DerError } from './der-reader.ts';
import { readPem } from './pem-files.ts';
import { revocationListsOf, revocationProblem } from './revocation-list.ts';
import type { RevocationList } from './revocation-list.ts';
import { SanMatcher, dnsNameMatches } from './san-matcher.ts';
import type { CompileStringTest } from './san-matcher.ts';

/** What a handshake ended with. */
export interface PeerEvidence {
  /** Null: the peer showed no certificate. */
  readonly leaf: Certificate | null;
  /** As the peer sent it, leaf first; asked for by few rules. */
  chain(): readonly Certificate[];
  /** OpenSSL's verdict: code and text; null: verified. */
  readonly verifyError: { readonly code: string; readonly message: string } | null;
  readonly resumed: boolean;
  readonly nowMs: number;
  /** Names of which one has to be in the certificate besides (auto_san_validation); null: none. */
  readonly requiredNames: readonly string[] | null;
  /** Takes the place of the configured names (auto_sni_san_validation); null: not asked for. */
  readonly requiredDnsName: string | null;
}

export interface TrustFailure {
  readonly stat: 'failVerifyError' | 'failVerifySan' | 'failVerifyCertHash' | 'failVerifyNoCert';
  /** Behind `verify cert failed: `. */
  readonly detail: string;
  /** Of a SPIFFE bundle: the peer is told of an unknown certificate, whatever is wrong with it. */
  readonly bySpiffe?: true;
}

interface SpiffeDomain {
  readonly name: string;
  readonly anchors: readonly Certificate[];
}

const SPIFFE = 'spiffe://';
const INSECURE =
  'SAN-based verification of peer certificates without trusted CA is insecure and not allowed';

export class PeerTrust {
  /** PEM of all anchors, for the context; '' : chains are not verified. */
  readonly caPem: string;
  /** For the context to check whole chains by; '' : none. */
  readonly crlPem: string;
  readonly acceptUntrusted: boolean;
  readonly #config: ValidationSecretConfig;
  #anchors: readonly Certificate[] | null = null;
  readonly #matchers: readonly SanMatcher[];
  readonly #leafLists: readonly RevocationList[] | null;
  readonly #domains: readonly SpiffeDomain[] | null;

  /** Throws ConfigError. */
  constructor(config: ValidationSecretConfig, compile: CompileStringTest) {
    this.#config = config;
    this.acceptUntrusted = config.acceptUntrusted === true;
    const domains = config.spiffeTrustDomains;
    if (domains === undefined) {
      this.#domains = null;
      this.caPem = config.trustedCa === undefined ? '' : readPem(config.trustedCa, 'trusted_ca');
      if (config.trustedCa !== undefined) requireCertificate(this.caPem, 'trusted_ca');
    } else {
      const bundles = domains.map(({ name, trustBundle }) => {
        const pem = readPem(trustBundle, 'trust_bundle');
        requireCertificate(pem, 'trust_bundle');
        return { name, pem };
      });
      this.#domains = bundles.map(({ name, pem }) => ({ name, anchors: anchorsOf(pem) }));
      this.caPem = bundles.map(({ pem }) => pem).join('\n');
    }
    // Also where names and roots come from different places, and the roots are none.
    if (this.caPem === '' && config.subjectAltNames.length > 0)
      throw new ConfigError([{ path: 'match_typed_subject_alt_names', message: INSECURE }]);
    const crl = config.crl === undefined ? '' : readPem(config.crl, 'crl');
    this.#leafLists =
      crl !== '' && config.onlyVerifyLeafCrl === true
        ? readable('crl', () => revocationListsOf(crl))
        : null;
    this.crlPem = this.#leafLists === null ? crl : '';
    this.#matchers = config.subjectAltNames.map((san) => new SanMatcher(san, compile));
  }

  /** There is a name or a hash to hold, so a client without certificate is none of those meant. */
  get requiresCertificate(): boolean {
    const { certificateHashes, spkiPins } = this.#config;
    const asked = this.#matchers.length > 0 || certificateHashes.length > 0 || spkiPins.length > 0;
    return asked && !this.acceptUntrusted;
  }

  /** Clients are asked for a certificate. */
  get asksForCertificate(): boolean {
    const { certificateHashes, spkiPins } = this.#config;
    return this.caPem !== '' || certificateHashes.length > 0 || spkiPins.length > 0;
  }

  /** Read when first asked for: a system's bundle has hundreds. */
  get anchors(): readonly Certificate[] {
    return (this.#anchors ??= anchorsOf(this.caPem));
  }

  /** Null: let in. `acceptUntrusted` is the caller's to look at. */
  check(evidence: PeerEvidence): TrustFailure | null {
    const { leaf } = evidence;
    if (leaf === null) return { stat: 'failVerifyNoCert', detail: 'empty cert chain' };
    if (this.caPem !== '') {
      const problem = this.#chainProblem(evidence, leaf);
      if (problem !== '')
        return { stat: 'failVerifyError', detail: `X509_verify_cert: ${problem}` };
    }
    if (this.#domains !== null) {
      const problem = spiffeProblem(evidence, leaf, this.#domains);
      if (problem !== '') return { stat: 'failVerifyError', detail: problem, bySpiffe: true };
    }
    return this.#nameProblem(leaf, evidence) ?? this.#hashProblem(leaf);
  }

  #chainProblem(evidence: PeerEvidence, leaf: Certificate): string {
    const { verifyError, nowMs, resumed } = evidence;
    const { allowExpired, maxVerifyDepth } = this.#config;
    if (verifyError !== null) {
      const age = AGE_ERRORS.has(verifyError.code);
      if (!age || !allowExpired) return problemAt(verifyError, leaf, nowMs);
      // OpenSSL tells its last error only: one about age may hide one about trust.
      if (walkChain(evidence.chain(), this.anchors) === null) return at(0, NO_ISSUER);
      if (this.crlPem !== '') return at(0, `${REVOCATION}unable to get certificate CRL`);
    }
    // A session is as good as its certificate: OpenSSL does not look at the time again.
    if (resumed && !allowExpired && leaf.validToMs < nowMs) return at(0, 'certificate has expired');
    if (maxVerifyDepth !== undefined && this.#depth(evidence) > maxVerifyDepth)
      return at(1, NO_ISSUER);
    if (this.#leafLists !== null) {
      const revoked = revocationProblem(this.#leafLists, leaf);
      if (revoked !== '') return at(0, REVOCATION + revoked);
    }
    return '';
  }

  /** Certificates above the leaf, the anchor counted: as BoringSSL counts. */
  #depth(evidence: PeerEvidence): number {
    const path = walkChain(evidence.chain(), this.anchors);
    return path === null ? Infinity : path.length - 1;
  }

  #nameProblem(leaf: Certificate, evidence: PeerEvidence): TrustFailure | null {
    const { names } = leaf;
    const { requiredNames, requiredDnsName } = evidence;
    if (requiredNames !== null && !requiredNames.some((name) => holdsName(names, name)))
      return { stat: 'failVerifySan', detail: sanListMismatch(requiredNames, leaf) };
    const held =
      requiredDnsName === null
        ? this.#matchers.length === 0 || this.#matchers.some((matcher) => matcher.matches(names))
        : names.dns.some((dns) => dnsNameMatches(requiredDnsName, dns));
    return held
      ? null
      : { stat: 'failVerifySan', detail: `SAN matcher, certificate SANs are [${namesOf(leaf)}]` };
  }

  /** Either kind of pin is enough. */
  #hashProblem(leaf: Certificate): TrustFailure | null {
    const { certificateHashes, spkiPins } = this.#config;
    if (certificateHashes.length === 0 && spkiPins.length === 0) return null;
    if (certificateHashes.includes(leaf.fingerprint256)) return null;
    if (spkiPins.length > 0 && spkiPins.includes(leaf.spkiPin)) return null;
    return { stat: 'failVerifyCertHash', detail: 'cert hash and spki' };
  }
}

const holdsName = ({ dns, uri, ip }: AltNames, name: string): boolean =>
  dns.some((pattern) => dnsNameMatches(name, pattern)) || uri.includes(name) || ip.includes(name);

const NO_ISSUER = 'unable to get local issuer certificate';
const AGE_ERRORS: ReadonlySet<string> = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);

/** Where BoringSSL has other words for what OpenSSL says. */
const WORDS: ReadonlyMap<string, string> = new Map([
  ['SELF_SIGNED_CERT_IN_CHAIN', 'self signed certificate in certificate chain'],
  ['INVALID_PURPOSE', 'unsupported certificate purpose'],
]);

const at = (depth: number, words: string): string =>
  `certificate verification error at depth ${depth}: ${words}`;

function problemAt(
  error: { readonly code: string; readonly message: string },
  leaf: Certificate,
  nowMs: number,
): string {
  // An issuer is too old (or young) where the leaf is not.
  const fresh = leaf.validFromMs <= nowMs && nowMs <= leaf.validToMs;
  const depth = AGE_ERRORS.has(error.code) && fresh ? 1 : 0;
  return at(depth, wordsOf(error));
}

function wordsOf({ code, message }: { readonly code: string; readonly message: string }): string {
  if (NO_ISSUER_CODES.has(code) || message.startsWith('key usage does not include'))
    return NO_ISSUER;
  if (CRL_CODES.has(code)) return REVOCATION + message;
  return WORDS.get(code) ?? message;
}

const REVOCATION = 'certificate revocation check against provided CRLs failed: ';

/** What a chain's end is missing, or what its issuer is not, is one thing to BoringSSL: no issuer that counts. */
const NO_ISSUER_CODES: ReadonlySet<string> = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
]);

const CRL_CODES: ReadonlySet<string> = new Set([
  'CERT_REVOKED',
  'UNABLE_TO_GET_CRL',
  'CRL_HAS_EXPIRED',
  'CRL_NOT_YET_VALID',
  'CRL_SIGNATURE_FAILURE',
]);

const MAX_PRINTED_NAMES = 20;

const sanListMismatch = (expected: readonly string[], leaf: Certificate): string =>
  `verify SAN list, expected SANs: [${printable(expected)}], certificate SANs: [${namesOf(leaf)}]`;

/** Text for a log: only what prints, and not for ever. */
const printable = (names: readonly string[]): string =>
  names
    .slice(0, MAX_PRINTED_NAMES)
    .join(', ')
    .replaceAll(/[^\x20-\x7e]/g, '?');

/** What a certificate names itself. */
function namesOf(leaf: Certificate): string {
  const { uri, dns, email, ip, otherName } = leaf.names;
  return printable([...uri, ...dns, ...email, ...ip, ...otherName]);
}

/** SPIFFE X.509-SVID §5: one URI, no CA, and the bundle of its own trust domain vouches for it. */
function spiffeProblem(
  evidence: PeerEvidence,
  leaf: Certificate,
  domains: readonly SpiffeDomain[],
): string {
  const [uri, ...more] = leaf.names.uri;
  if (leaf.isCa || uri === undefined || more.length > 0 || !uri.startsWith(SPIFFE))
    return 'no SPIFFE identity';
  const end = uri.indexOf('/', SPIFFE.length);
  const name = uri.slice(SPIFFE.length, end < 0 ? undefined : end);
  const domain = domains.find((candidate) => candidate.name === name);
  if (domain === undefined) return 'no trust bundle store';
  return walkChain(evidence.chain(), domain.anchors) === null
    ? `X509_verify_cert: ${at(0, NO_ISSUER)}`
    : '';
}

function requireCertificate(pem: string, place: string): void {
  if (!pem.includes('-----BEGIN CERTIFICATE-----'))
    throw new ConfigError([{ path: place, message: 'Failed to load trusted CA certificates' }]);
}

/** Those that can be read: OpenSSL has loaded all of them, and decides. */
function anchorsOf(pem: string): readonly Certificate[] {
  const anchors: Certificate[] = [];
  for (const der of pemBlocks(pem, 'CERTIFICATE')) {
    try {
      anchors.push(new Certificate(der));
    } catch (error) {
      if (!(error instanceof DerError)) throw error;
    }
  }
  return anchors;
}

function readable<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new ConfigError([{ path: place, message: `cannot be read: ${error.message}` }]);
  }
}
