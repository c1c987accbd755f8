// [m] Decodes the TLS contexts of transport sockets (envoy-behaviour §9; istio-contract §2.4, §4.6). Loaded for the first.
import type {
  CommonTlsContext,
  DownstreamTlsContext,
  UpstreamTlsContext,
} from '../../xds-protos/gen/envoy.extensions.transport_sockets.tls.v3.ts';
import type {
  CertificateSource,
  DownstreamTlsConfig,
  TicketKeysSource,
  TlsParametersConfig,
  UpstreamTlsConfig,
  ValidationSource,
} from '../config/transport-socket-config.ts';
import { ConfigError } from '../config/config-error.ts';
import type { SecretConfig } from '../config/secret-config.ts';
import type { FieldReader } from './field-reader.ts';
import { checkSecret } from './secret-check.ts';
import { withFilesRead } from './secret-files.ts';
import { decodeSecretRef } from './sds-source-decoder.ts';
import { decodeCertificate, decodeTicketKeys, decodeValidation } from './secret-decoder.ts';
import { decodeAlpn, decodeTlsParameters } from './tls-parameters-decoder.ts';

const DEFAULT_SESSION_TIMEOUT_SECONDS = 7200;
/** Of what is kept for resumption with one cluster. */
const MOST_SESSION_KEYS = 1024;

export function decodeDownstream(reader: FieldReader<DownstreamTlsContext>): DownstreamTlsConfig {
  const decoded = decodeCommon(reader.child('common_tls_context'), 'downstream');
  if (decoded.certificates.length === 0)
    reader.problem('', 'No TLS certificates found for server context');
  if (reader.enumName('ocsp_staple_policy', 'LENIENT_STAPLING') !== 'LENIENT_STAPLING')
    reader.problem('ocsp_staple_policy', 'must be LENIENT_STAPLING in this version');
  const sessionMs = reader.durationMs('session_timeout', DEFAULT_SESSION_TIMEOUT_SECONDS * 1000);
  return {
    side: 'downstream',
    ...decoded,
    requireClientCertificate: reader.bool('require_client_certificate'),
    requireSni: reader.bool('require_sni'),
    ticketKeys: ticketKeysOf(reader),
    disableTickets: reader.bool('disable_stateless_session_resumption'),
    sessionTimeoutSeconds: Math.trunc(sessionMs / 1000),
    preferClientCiphers: reader.bool('prefer_client_ciphers'),
    fullScanOnSniMismatch: reader.bool('full_scan_certs_on_sni_mismatch'),
  };
}

function ticketKeysOf(reader: FieldReader<DownstreamTlsContext>): TicketKeysSource | undefined {
  const inline = reader.child('session_ticket_keys');
  if (inline !== undefined) return { kind: 'inline', keys: decodeTicketKeys(inline, '', '') };
  const secret = reader.child('session_ticket_keys_sds_secret_config');
  return secret && { kind: 'secret', secret: decodeSecretRef(secret) };
}

export function decodeUpstream(reader: FieldReader<UpstreamTlsContext>): UpstreamTlsConfig {
  const sni = reader.string('sni');
  if (Buffer.byteLength(sni) > 255) reader.problem('sni', 'must be at most 255 bytes long');
  const decoded = decodeCommon(reader.child('common_tls_context'), 'upstream');
  const autoSniSanValidation = reader.bool('auto_sni_san_validation');
  if (decoded.certificates.length > 1)
    reader.problem(
      'common_tls_context',
      'Multiple TLS certificates are not supported for client contexts',
    );
  if (autoSniSanValidation && decoded.validation === undefined)
    reader.problem(
      'auto_sni_san_validation',
      "'auto_sni_san_validation' was configured without a validation context",
    );
  reader.refuse('allow_renegotiation');
  return {
    side: 'upstream',
    ...decoded,
    sni,
    autoHostSni: reader.bool('auto_host_sni'),
    autoSniSanValidation,
    maxSessionKeys: Math.min(reader.number('max_session_keys', 1), MOST_SESSION_KEYS),
  };
}

/** Parts of the API that nothing here does, and each of which makes a handshake stricter or other. */
const REFUSED = [
  'tls_certificate_certificate_provider',
  'tls_certificate_certificate_provider_instance',
  'tls_certificate_provider_instance',
  'validation_context_certificate_provider',
  'validation_context_certificate_provider_instance',
  'custom_handshaker',
  'custom_tls_certificate_selector',
  'key_log',
] as const;

function decodeCommon(
  reader: FieldReader<CommonTlsContext> | undefined,
  side: 'downstream' | 'upstream',
): {
  readonly parameters: TlsParametersConfig;
  readonly alpnProtocols: readonly string[];
  readonly certificates: readonly CertificateSource[];
  readonly validation: ValidationSource | undefined;
} {
  if (reader !== undefined) for (const field of REFUSED) reader.refuse(field);
  return {
    parameters: decodeTlsParameters(reader?.child('tls_params'), side),
    alpnProtocols: decodeAlpn(reader),
    certificates: reader === undefined ? [] : certificatesOf(reader),
    validation: reader && validationOf(reader),
  };
}

function certificatesOf(reader: FieldReader<CommonTlsContext>): readonly CertificateSource[] {
  const inline = reader.children('tls_certificates').map((certificate): CertificateSource => ({
    kind: 'inline',
    certificate: usable(certificate, () => decodeCertificate(certificate, '', '')),
  }));
  const secrets = reader
    .children('tls_certificate_sds_secret_configs')
    .map((secret): CertificateSource => ({ kind: 'secret', secret: decodeSecretRef(secret) }));
  // As in Envoy, those from SDS are not looked at where there are some inline.
  return inline.length > 0 ? inline : secrets;
}

function validationOf(reader: FieldReader<CommonTlsContext>): ValidationSource | undefined {
  const combined = reader.child('combined_validation_context');
  if (combined !== undefined) {
    combined.refuse('validation_context_certificate_provider');
    combined.refuse('validation_context_certificate_provider_instance');
    const fallback = combined.required('default_validation_context');
    const secret = combined.required('validation_context_sds_secret_config');
    return {
      inline: fallback && usable(fallback, () => decodeValidation(fallback, '', '')),
      secret: secret && decodeSecretRef(secret),
    };
  }
  const secret = reader.child('validation_context_sds_secret_config');
  if (secret !== undefined) return { inline: undefined, secret: decodeSecretRef(secret) };
  const inline = reader.child('validation_context');
  if (inline === undefined) return undefined;
  const validation = usable(inline, () => decodeValidation(inline, '', ''));
  checkInsecure(inline, validation.subjectAltNames.length > 0);
  return { inline: validation, secret: undefined };
}

/** With the content of its files, and proven to load: what workers get never fails there. */
function usable<Secret extends SecretConfig>(
  reader: FieldReader<object>,
  decode: () => Secret,
): Secret {
  const { count } = reader.problems;
  const secret = decode();
  if (reader.problems.count > count) return secret;
  try {
    const whole = withFilesRead(secret) as Secret;
    checkSecret(whole);
    return whole;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const { path, message } of error.problems)
      reader.problem(path.replace(/^(?:tls_certificate|validation_context)\./, ''), message);
    return secret;
  }
}

/** What is written inline is whole: names without anybody who vouches for them guard nothing. */
function checkInsecure(
  reader: FieldReader<NonNullable<CommonTlsContext['validation_context']>>,
  hasNames: boolean,
): void {
  const anchored = reader.has('trusted_ca') || reader.has('custom_validator_config');
  if (hasNames && !anchored)
    reader.problem(
      '',
      'SAN-based verification of peer certificates without trusted CA is insecure and not allowed',
    );
}
