// Fields of TLS contexts that Envoy 1.40 has and the package does not: see newer-fields.ts (development only).
import type { NewerField } from './newer-fields.ts';

const TLS = 'envoy.extensions.transport_sockets.tls.v3';
const CORE = 'envoy.config.core.v3';

export const newerTlsFields: readonly NewerField[] = [
  { message: `${TLS}.UpstreamTlsContext`, name: 'auto_host_sni', number: 6, type: 'bool' },
  {
    message: `${TLS}.UpstreamTlsContext`,
    name: 'auto_sni_san_validation',
    number: 7,
    type: 'bool',
  },
  {
    message: `${TLS}.CommonTlsContext`,
    name: 'custom_tls_certificate_selector',
    number: 16,
    type: `${CORE}.TypedExtensionConfig`,
  },
  {
    message: `${TLS}.DownstreamTlsContext`,
    name: 'prefer_client_ciphers',
    number: 11,
    type: 'bool',
  },
  {
    message: `${TLS}.TlsParameters`,
    name: 'compliance_policies',
    number: 6,
    type: `${TLS}.TlsParameters.CompliancePolicy`,
    repeated: true,
  },
];

export const newerTlsEnums: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  [`${TLS}.TlsParameters.CompliancePolicy`]: { FIPS_202205: 0 },
};
