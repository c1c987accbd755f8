// [m] Decodes secrets from SDS: certificates with their keys, and what peers are verified by (envoy-behaviour §9.2, §9.4).
import type { DataSource } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type {
  CertificateValidationContext,
  Secret,
  TlsCertificate,
} from '../../xds-protos/gen/envoy.extensions.transport_sockets.tls.v3.ts';
import type {
  CertificateSecretConfig,
  PemSource,
  SanMatchConfig,
  SecretConfig,
  ValidationSecretConfig,
} from '../config/secret-config.ts';
import { ConfigProblems } from './config-problems.ts';
import { decodeInlineText } from './data-source.ts';
import { FieldReader } from './field-reader.ts';
import { decodeStringMatch } from './matcher-decoder.ts';

const NO_PEM: PemSource = { kind: 'inline', pem: '' };

/** Throws ConfigError with every problem; no message holds any part of a key. */
export function decodeSecret(message: Secret, version: string): SecretConfig {
  const problems = new ConfigProblems();
  const config = readSecret(new FieldReader(message, '', problems), version);
  problems.throwIfAny();
  return config;
}

function readSecret(reader: FieldReader<Secret>, version: string): SecretConfig {
  const name = reader.requiredString('name');
  const validation = reader.child('validation_context');
  if (validation !== undefined) return decodeValidation(validation, name, version);
  const certificate = reader.child('tls_certificate');
  if (certificate !== undefined) return decodeCertificate(certificate, name, version);
  reader.refuse('session_ticket_keys');
  reader.refuse('generic_secret');
  if (!reader.has('session_ticket_keys') && !reader.has('generic_secret')) {
    reader.problem('', 'one of tls_certificate, validation_context is required');
  }
  return { kind: 'certificate', name, version, certificateChain: NO_PEM, privateKey: NO_PEM };
}

function decodeCertificate(
  reader: FieldReader<TlsCertificate>,
  name: string,
  version: string,
): CertificateSecretConfig {
  reader.refuse('pkcs12');
  reader.refuse('private_key_provider');
  reader.refuse('password');
  return {
    kind: 'certificate',
    name,
    version,
    certificateChain: decodePem(reader.required('certificate_chain')) ?? NO_PEM,
    privateKey: decodePem(reader.required('private_key')) ?? NO_PEM,
  };
}

function decodeValidation(
  reader: FieldReader<CertificateValidationContext>,
  name: string,
  version: string,
): ValidationSecretConfig {
  // Each of these makes verification stricter: not looking at them would let peers in.
  reader.refuse('crl');
  reader.refuse('require_signed_certificate_timestamp');
  reader.refuse('custom_validator_config');
  reader.refuse('ca_certificate_provider_instance');
  reader.refuse('system_root_certs');
  return {
    kind: 'validation',
    name,
    version,
    trustedCa: decodePem(reader.child('trusted_ca')),
    subjectAltNames: decodeSans(reader),
    spkiPins: reader.message.verify_certificate_spki ?? [],
    certificateHashes: reader.message.verify_certificate_hash ?? [],
    allowExpired: reader.bool('allow_expired_certificate'),
  };
}

function decodeSans(reader: FieldReader<CertificateValidationContext>): readonly SanMatchConfig[] {
  const typed = reader.children('match_typed_subject_alt_names').map((san): SanMatchConfig => {
    const type = san.enumName('san_type', 'SAN_TYPE_UNSPECIFIED');
    const matcher = san.required('matcher');
    const match =
      matcher === undefined
        ? ({ kind: 'exact', value: '', ignoreCase: false } as const)
        : decodeStringMatch(matcher);
    if (type !== 'SAN_TYPE_UNSPECIFIED' && type !== 'OTHER_NAME') return { type, match };
    san.problem('san_type', `must be EMAIL, DNS, URI or IP_ADDRESS, is ${type}`);
    return { type: 'ANY', match };
  });
  const untyped = reader
    .children('match_subject_alt_names')
    .map((matcher): SanMatchConfig => ({ type: 'ANY', match: decodeStringMatch(matcher) }));
  return [...typed, ...untyped];
}

function decodePem(reader: FieldReader<DataSource> | undefined): PemSource | undefined {
  if (reader === undefined) return undefined;
  const path = reader.nonEmpty('filename');
  if (path !== undefined) return { kind: 'file', path };
  return { kind: 'inline', pem: decodeInlineText(reader) };
}
