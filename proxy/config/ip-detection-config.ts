// [b] original_ip_detection_extensions of a connection manager: where the client's address is looked for.
import type { CidrConfig } from './listener-config.ts';

export type IpDetectionConfig =
  | {
      readonly kind: 'xff';
      readonly trustedHops: number;
      /** Undefined: hops are counted. */
      readonly trustedCidrs: readonly CidrConfig[] | undefined;
      readonly skipAppend: boolean;
    }
  | {
      readonly kind: 'custom_header';
      /** Lower-case. */
      readonly header: string;
      /** Its address may make a request internal. */
      readonly trusted: boolean;
      /** Undefined: a request without such an address goes on. */
      readonly rejectStatus: number | undefined;
    };
