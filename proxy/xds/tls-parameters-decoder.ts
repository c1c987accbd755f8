// [m] Decodes TlsParameters and lists of protocols (envoy-behaviour §9.1). Names the TLS library does not know are problems.
import type { TlsParameters } from '../../xds-protos/gen/envoy.extensions.transport_sockets.tls.v3.ts';
import type { TlsParametersConfig, TlsVersion } from '../config/transport-socket-config.ts';
import type { FieldReader } from './field-reader.ts';

/** Of Envoy's default list, groups in brackets taken apart. */
const DEFAULT_CIPHERS: readonly string[] = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
];

const CIPHERS: ReadonlySet<string> = new Set([
  ...DEFAULT_CIPHERS,
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-RSA-AES256-SHA',
  'ECDHE-RSA-AES128-SHA256',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA',
  'AES256-SHA',
]);

const DEFAULT_CURVES: readonly string[] = ['X25519MLKEM768', 'X25519', 'P-256'];
const CURVES: ReadonlySet<string> = new Set([...DEFAULT_CURVES, 'P-384', 'P-521']);

const SIGNATURE_ALGORITHMS: ReadonlySet<string> = new Set([
  'rsa_pkcs1_sha256',
  'rsa_pkcs1_sha384',
  'rsa_pkcs1_sha512',
  'ecdsa_secp256r1_sha256',
  'ecdsa_secp384r1_sha384',
  'ecdsa_secp521r1_sha512',
  'rsa_pss_rsae_sha256',
  'rsa_pss_rsae_sha384',
  'rsa_pss_rsae_sha512',
  'ed25519',
  'rsa_pkcs1_sha1',
  'ecdsa_sha1',
]);

/** Takes the place of all that is configured, as in BoringSSL (NIST SP 800-52r2). That the library is certified is no part of it. */
const FIPS_202205: TlsParametersConfig = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  cipherSuites: [
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
  ],
  curves: ['P-256', 'P-384'],
  signatureAlgorithms: [
    'rsa_pkcs1_sha256',
    'rsa_pkcs1_sha384',
    'rsa_pkcs1_sha512',
    'ecdsa_secp256r1_sha256',
    'ecdsa_secp384r1_sha384',
    'rsa_pss_rsae_sha256',
    'rsa_pss_rsae_sha384',
    'rsa_pss_rsae_sha512',
  ],
  aesOnly: true,
};

const VERSIONS = {
  TLSv1_0: 'TLSv1',
  TLSv1_1: 'TLSv1.1',
  TLSv1_2: 'TLSv1.2',
  TLSv1_3: 'TLSv1.3',
} as const;

const ORDER: readonly TlsVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

type Reader = FieldReader<TlsParameters>;

export function decodeTlsParameters(
  reader: Reader | undefined,
  side: 'downstream' | 'upstream',
): TlsParametersConfig {
  const minVersion = versionOf(reader, 'tls_minimum_protocol_version', 'TLSv1.2');
  const highest = side === 'downstream' ? 'TLSv1.3' : 'TLSv1.2';
  const maxVersion = versionOf(reader, 'tls_maximum_protocol_version', highest);
  if (ORDER.indexOf(minVersion) > ORDER.indexOf(maxVersion))
    reader?.problem('tls_minimum_protocol_version', `is higher than the maximum, ${maxVersion}`);
  const configured = {
    minVersion,
    maxVersion,
    cipherSuites: ciphersOf(reader),
    curves: known(reader, 'ecdh_curves', CURVES) ?? DEFAULT_CURVES,
    signatureAlgorithms: known(reader, 'signature_algorithms', SIGNATURE_ALGORITHMS) ?? [],
  };
  const policies = reader?.message.compliance_policies ?? [];
  if (policies.length > 1) reader?.problem('compliance_policies', 'at most one is allowed');
  for (const policy of policies)
    if (policy !== 'FIPS_202205') reader?.problem('compliance_policies', `unknown value ${policy}`);
  return policies.length > 0 ? FIPS_202205 : configured;
}

function versionOf(
  reader: Reader | undefined,
  field: 'tls_minimum_protocol_version' | 'tls_maximum_protocol_version',
  fallback: TlsVersion,
): TlsVersion {
  const name = reader?.enumName(field, 'TLS_AUTO') ?? 'TLS_AUTO';
  return name === 'TLS_AUTO' ? fallback : VERSIONS[name];
}

/** Envoy writes ciphers of equal preference as `[A|B]`; the first counts for more here. */
function ciphersOf(reader: Reader | undefined): readonly string[] {
  const list = reader?.message.cipher_suites ?? [];
  if (list.length === 0) return DEFAULT_CIPHERS;
  const names = list.flatMap((entry) =>
    (entry.startsWith('[') && entry.endsWith(']') ? entry.slice(1, -1) : entry).split('|'),
  );
  const rejected = names.filter((name) => !CIPHERS.has(name));
  if (rejected.length > 0)
    reader!.problem(
      'cipher_suites',
      `Failed to initialize cipher suites ${list.join(':')}. The following ciphers were rejected when tried individually: ${rejected.join(', ')}`,
    );
  return names;
}

function known(
  reader: Reader | undefined,
  field: 'ecdh_curves' | 'signature_algorithms',
  names: ReadonlySet<string>,
): readonly string[] | undefined {
  const list = reader?.message[field] ?? [];
  if (list.length === 0) return undefined;
  const rejected = list.filter((name) => !names.has(name));
  if (rejected.length > 0)
    reader!.problem(
      field,
      field === 'ecdh_curves'
        ? `Failed to initialize ECDH curves ${list.join(':')}`
        : `Failed to initialize TLS signature algorithms ${list.join(':')}`,
    );
  return list;
}

/** RFC 7301: a name has 1 to 255 bytes, and the list must fit into the message. */
export function decodeAlpn(
  reader: FieldReader<{ readonly alpn_protocols?: string[] | undefined }> | undefined,
): readonly string[] {
  const list = reader?.message.alpn_protocols ?? [];
  // A comma parts names within one string, too.
  const names = list.flatMap((entry) => entry.split(','));
  let total = 0;
  for (const name of names) {
    const length = Buffer.byteLength(name);
    total += length + 1;
    if (length === 0 || length > 255)
      reader!.problem('alpn_protocols', 'Invalid ALPN protocol string');
  }
  if (total >= 65535) reader!.problem('alpn_protocols', 'Invalid ALPN protocol string');
  return names;
}
