// [m] The decoded bootstrap message behind an AdminContext.
import { decode } from '../../../xds-protos/codec.ts';
import type { Bootstrap } from '../../../xds-protos/gen/envoy.config.bootstrap.v3.ts';
import type { AdminContext } from '../admin-context.ts';

export const bootstrapMessage = ({ bootstrapRaw }: AdminContext): Bootstrap =>
  decode('envoy.config.bootstrap.v3.Bootstrap', bootstrapRaw);
