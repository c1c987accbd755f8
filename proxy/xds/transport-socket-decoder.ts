// [m] Decodes transport sockets: plaintext and TLS (istio-contract §2.4, §4.6).
import type { TransportSocket } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { CommonTlsContext } from '../../xds-protos/gen/envoy.extensions.transport_sockets.tls.v3.ts';
import type { TransportSocketConfig } from '../config/transport-socket-config.ts';
import type { FieldReader } from './field-reader.ts';
import { typedConfigOf } from './typed-config.ts';
import type { TypedConfig } from './typed-config.ts';

export const RAW_BUFFER: TransportSocketConfig = { kind: 'raw_buffer' };

const DOWNSTREAM = 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';
const UPSTREAM = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';

export function decodeTransportSocket(
  reader: FieldReader<TransportSocket> | undefined,
  side: 'downstream' | 'upstream',
): TransportSocketConfig {
  if (reader === undefined) return RAW_BUFFER;
  const config = typedConfigOf(reader);
  if (config === undefined) return RAW_BUFFER;
  if (config.typeName === 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer')
    return RAW_BUFFER;
  if (side === 'downstream' && config.typeName === DOWNSTREAM) return decodeDownstream(config);
  if (side === 'upstream' && config.typeName === UPSTREAM) return decodeUpstream(config);
  config.unknown(reader.string('name'));
  return RAW_BUFFER;
}

function decodeDownstream(config: TypedConfig): TransportSocketConfig {
  const reader = config.as(DOWNSTREAM);
  return {
    kind: 'tls',
    settings: {
      ...decodeCommon(reader?.child('common_tls_context')),
      sni: '',
      requireClientCertificate: reader?.bool('require_client_certificate') ?? false,
    },
  };
}

function decodeUpstream(config: TypedConfig): TransportSocketConfig {
  const reader = config.as(UPSTREAM);
  const sni = reader?.string('sni') ?? '';
  if (Buffer.byteLength(sni) > 255) reader?.problem('sni', 'must be at most 255 bytes long');
  return {
    kind: 'tls',
    settings: {
      ...decodeCommon(reader?.child('common_tls_context')),
      sni,
      requireClientCertificate: false,
    },
  };
}

function decodeCommon(reader: FieldReader<CommonTlsContext> | undefined): {
  readonly alpnProtocols: readonly string[];
  readonly certificateSecretNames: readonly string[];
  readonly validationSecretName: string | undefined;
} {
  const combined = reader?.child('combined_validation_context');
  const validation =
    reader?.child('validation_context_sds_secret_config') ??
    combined?.child('validation_context_sds_secret_config');
  return {
    alpnProtocols: reader?.message.alpn_protocols ?? [],
    certificateSecretNames:
      reader
        ?.children('tls_certificate_sds_secret_configs')
        .map((secret) => secret.requiredString('name')) ?? [],
    validationSecretName: validation?.requiredString('name'),
  };
}
