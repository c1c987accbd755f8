// [m] Decodes where a secret comes from (SdsSecretConfig; istio-contract §2.4).
import type { SdsSecretConfig } from '../../xds-protos/gen/envoy.extensions.transport_sockets.tls.v3.ts';
import type { SecretRef } from '../config/secret-config.ts';
import { decodeConfigSource } from './config-source.ts';
import type { FieldReader } from './field-reader.ts';

export function decodeSecretRef(reader: FieldReader<SdsSecretConfig>): SecretRef {
  const source = reader.child('sds_config');
  const name = reader.requiredString('name');
  if (source === undefined) return { name, source: { kind: 'static' }, initialFetchTimeoutMs: 0 };
  return { name, ...decodeConfigSource(source) };
}
