// [m] Material to envoy.extensions.transport_sockets.tls.v3.Secret, packed.
import { resolve } from 'node:path';

import { packAny } from '../../xds-protos/any.ts';
import type { Any } from '../../xds-protos/well-known-types.ts';
import type { SecretMaterial } from './secret-material.ts';

export const SECRET_TYPE_URL =
  'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

export function packSecret(name: string, material: SecretMaterial): Any {
  if (material.kind === 'certificate') {
    return packAny('envoy.extensions.transport_sockets.tls.v3.Secret', {
      name,
      tls_certificate: {
        certificate_chain: { inline_bytes: Buffer.from(material.chainPem) },
        private_key: { inline_bytes: Buffer.from(material.keyPem) },
      },
    });
  }
  const { rootPem, crlFile } = material;
  return packAny('envoy.extensions.transport_sockets.tls.v3.Secret', {
    name,
    validation_context: {
      trusted_ca: { inline_bytes: Buffer.from(rootPem) },
      ...(crlFile === undefined ? {} : { crl: { filename: resolve(crlFile) } }),
    },
  });
}
