// [m] Decodes secrets from SDS: certificates with their keys, and what peers are verified by (envoy-behaviour §9.2, §9.4).
import type { DataSource } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type {
  CertificateValidationContext,
  Secret,
  SubjectAltNameMatcher,
  TlsCertificate,
  TlsSessionTicketKeys,
} from '../../xds-protos/gen/envoy.extensions.transport_sockets.tls.v3.ts';
import type {
  CertificateSecretConfig,
  PemSource,
  SanMatchConfig,
  SecretConfig,
  SpiffeTrustDomainConfig,
  TicketKeysSecretConfig,
  ValidationSecretConfig,
} from '../config/secret-config.ts';
import { ConfigProblems } from './config-problems.ts';
import type { FieldObserver } from './config-problems.ts';
import { decodeDataSource, decodeInlineText } from './data-source.ts';
import { FieldReader } from './field-reader.ts';
import { decodeStringMatch } from './matcher-decoder.ts';
import { typedConfigOf } from './typed-config.ts';

const NO_PEM: PemSource = { kind: 'inline', pem: '' };

/** Throws ConfigError with every problem; no message holds any part of a key. */
export function decodeSecret(
  message: Secret,
  version: string,
  watch?: FieldObserver,
): SecretConfig {
  const problems = new ConfigProblems(watch);
  const config = readSecret(new FieldReader(message, '', problems), version);
  problems.throwIfAny();
  return config;
}

export function readSecret(reader: FieldReader<Secret>, version: string): SecretConfig {
  const name = reader.requiredString('name');
  const validation = reader.child('validation_context');
  if (validation !== undefined) return decodeValidation(validation, name, version);
  const certificate = reader.child('tls_certificate');
  if (certificate !== undefined) return decodeCertificate(certificate, name, version);
  const keys = reader.child('session_ticket_keys');
  if (keys !== undefined) return decodeTicketKeys(keys, name, version);
  const generic = reader.child('generic_secret');
  if (generic !== undefined)
    return {
      kind: 'generic',
      name,
      version,
      secret: decodePem(generic.required('secret')) ?? NO_PEM,
    };
  reader.problem(
    '',
    'one of tls_certificate, validation_context, session_ticket_keys, generic_secret is required',
  );
  return { kind: 'certificate', name, version, certificateChain: NO_PEM, privateKey: NO_PEM };
}

export function decodeCertificate(
  reader: FieldReader<TlsCertificate>,
  name: string,
  version: string,
): CertificateSecretConfig {
  reader.refuse('pkcs12');
  reader.refuse('private_key_provider');
  const password = decodePem(reader.child('password'));
  const staple = reader.child('ocsp_staple');
  return {
    kind: 'certificate',
    name,
    version,
    certificateChain: decodePem(reader.required('certificate_chain')) ?? NO_PEM,
    privateKey: decodePem(reader.required('private_key')) ?? NO_PEM,
    ...(password !== undefined && { password }),
    ...(staple !== undefined && { ocspStaple: decodeDataSource(staple) }),
  };
}

const TICKET_KEY_BYTES = 80;

export function decodeTicketKeys(
  reader: FieldReader<TlsSessionTicketKeys>,
  name: string,
  version: string,
): TicketKeysSecretConfig {
  const keys: Uint8Array[] = [];
  for (const source of reader.children('keys')) {
    const key = decodeDataSource(source);
    if (key === undefined) continue;
    if (key.length !== TICKET_KEY_BYTES)
      source.problem('', `must be ${TICKET_KEY_BYTES} bytes long, is ${key.length}`);
    keys.push(key);
  }
  if (keys.length === 0) reader.problem('keys', 'at least one is required');
  return { kind: 'ticket_keys', name, version, keys };
}

export function decodeValidation(
  reader: FieldReader<CertificateValidationContext>,
  name: string,
  version: string,
): ValidationSecretConfig {
  // Each of these makes verification stricter: not looking at them would let peers in.
  reader.refuse('require_signed_certificate_timestamp');
  reader.refuse('ca_certificate_provider_instance');
  const system = reader.has('system_root_certs');
  if (system && reader.has('trusted_ca'))
    reader.problem('system_root_certs', 'must not be given together with trusted_ca');
  const crl = decodePem(reader.child('crl'));
  const spiffe = reader.child('custom_validator_config');
  return {
    kind: 'validation',
    name,
    version,
    trustedCa: system ? SYSTEM_ROOTS : decodePem(reader.child('trusted_ca')),
    subjectAltNames: decodeSans(reader),
    spkiPins: (reader.message.verify_certificate_spki ?? []).map((pin) => checkedPin(reader, pin)),
    certificateHashes: (reader.message.verify_certificate_hash ?? []).map((hash) =>
      checkedHash(reader, hash),
    ),
    allowExpired: reader.bool('allow_expired_certificate'),
    ...(crl !== undefined && { crl }),
    ...(reader.bool('only_verify_leaf_cert_crl') && { onlyVerifyLeafCrl: true }),
    ...(reader.has('max_verify_depth') && {
      maxVerifyDepth: reader.number('max_verify_depth', 100, 0, 100),
    }),
    ...(reader.enumName('trust_chain_verification', 'VERIFY_TRUST_CHAIN') ===
      'ACCEPT_UNTRUSTED' && { acceptUntrusted: true }),
    ...(spiffe !== undefined && { spiffeTrustDomains: decodeSpiffe(spiffe) }),
  };
}

/** Where Debian, Alpine and Istio's image keep what the system trusts. */
const SYSTEM_ROOTS: PemSource = { kind: 'file', path: '/etc/ssl/certs/ca-certificates.crt' };

type ValidationReader = FieldReader<CertificateValidationContext>;

function checkedPin(reader: ValidationReader, pin: string): string {
  const bytes = Buffer.from(pin, 'base64');
  if (bytes.length !== 32 || bytes.toString('base64') !== pin)
    reader.problem('verify_certificate_spki', `Invalid base64-encoded SHA-256 ${pin}`);
  return pin;
}

/** Hex, with or without a colon between bytes. */
function checkedHash(reader: ValidationReader, hash: string): string {
  const hex = (hash.length > 64 ? hash.replaceAll(':', '') : hash).toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(hex))
    reader.problem('verify_certificate_hash', `Invalid hex-encoded SHA-256 ${hash}`);
  return hex;
}

const SPIFFE = 'envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig';

function decodeSpiffe(
  reader: FieldReader<NonNullable<CertificateValidationContext['custom_validator_config']>>,
): readonly SpiffeTrustDomainConfig[] {
  const config = typedConfigOf(reader);
  if (config === undefined) return [];
  if (config.typeName !== SPIFFE) {
    config.unknown(reader.string('name'));
    return [];
  }
  const spiffe = config.as(SPIFFE);
  const domains = (spiffe?.children('trust_domains') ?? []).map((domain) => ({
    name: domain.requiredString('name'),
    trustBundle: decodePem(domain.required('trust_bundle')) ?? NO_PEM,
  }));
  if (domains.length === 0) spiffe?.problem('trust_domains', 'at least one is required');
  const names = new Set<string>();
  for (const { name } of domains) {
    if (names.has(name))
      spiffe?.problem(
        'trust_domains',
        `Multiple trust bundles are given for one trust domain for ${name}`,
      );
    names.add(name);
  }
  return domains;
}

function decodeSans(reader: ValidationReader): readonly SanMatchConfig[] {
  // As in Envoy, the untyped list counts only where there is no typed one.
  const typed = reader.children('match_typed_subject_alt_names').map(decodeTypedSan);
  const untyped = reader
    .children('match_subject_alt_names')
    .map((matcher): SanMatchConfig => ({ type: 'ANY', match: decodeStringMatch(matcher) }));
  return typed.length > 0 ? typed : untyped;
}

function decodeTypedSan(san: FieldReader<SubjectAltNameMatcher>): SanMatchConfig {
  const type = san.enumName('san_type', 'SAN_TYPE_UNSPECIFIED');
  const matcher = san.required('matcher');
  const match =
    matcher === undefined
      ? ({ kind: 'exact', value: '', ignoreCase: false } as const)
      : decodeStringMatch(matcher);
  if (type === 'OTHER_NAME') {
    const oid = san.requiredString('oid');
    if (!/^[0-2](\.(0|[1-9][0-9]*))+$/.test(oid))
      san.problem('oid', 'must be an object identifier in numbers and dots');
    return { type, match, oid };
  }
  if (type !== 'SAN_TYPE_UNSPECIFIED') return { type, match };
  san.problem('san_type', `must be EMAIL, DNS, URI, IP_ADDRESS or OTHER_NAME, is ${type}`);
  return { type: 'ANY', match };
}

function decodePem(reader: FieldReader<DataSource> | undefined): PemSource | undefined {
  if (reader === undefined) return undefined;
  const path = reader.nonEmpty('filename');
  if (path !== undefined) return { kind: 'file', path };
  return { kind: 'inline', pem: decodeInlineText(reader) };
}
