// [m] Decodes original_ip_detection_extensions of the connection manager (envoy-behaviour §1.4).
import type { TypedExtensionConfig } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { IpDetectionConfig } from '../config/ip-detection-config.ts';
import { decodeCidr } from './address-decoder.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeHttpStatus } from './http-status-decoder.ts';
import { typedConfigOf } from './typed-config.ts';

const XFF = 'envoy.extensions.http.original_ip_detection.xff.v3.XffConfig';
const CUSTOM_HEADER =
  'envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig';

export function decodeIpDetection(
  reader: FieldReader<TypedExtensionConfig>,
): readonly IpDetectionConfig[] {
  const config = typedConfigOf(reader);
  if (config?.typeName === XFF) {
    const xff = config.as(XFF);
    if (xff === undefined) return [];
    const trustedHops = xff.number('xff_num_trusted_hops', 0);
    const cidrs = xff.child('xff_trusted_cidrs');
    if (cidrs !== undefined && trustedHops > 0)
      xff.problem('', 'Cannot set both xff_num_trusted_hops and xff_trusted_cidrs');
    return [
      {
        kind: 'xff',
        trustedHops,
        trustedCidrs: cidrs?.children('cidrs').map(decodeCidr),
        skipAppend: xff.bool('skip_xff_append', true),
      },
    ];
  }
  if (config?.typeName === CUSTOM_HEADER) {
    const custom = config.as(CUSTOM_HEADER);
    if (custom === undefined) return [];
    const reject = custom.child('reject_with_status');
    const status = decodeHttpStatus(reject);
    return [
      {
        kind: 'custom_header',
        header: custom.requiredString('header_name').toLowerCase(),
        trusted: custom.bool('allow_extension_to_set_address_as_trusted'),
        // Only an error refuses.
        rejectStatus: reject && (status >= 400 ? status : 403),
      },
    ];
  }
  config?.unknown(reader.string('name'));
  return [];
}
