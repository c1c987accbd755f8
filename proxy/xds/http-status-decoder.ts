// [m] Decodes envoy.type.v3.HttpStatus: its enum names are Envoy's, its numbers those of HTTP.
import type { HttpStatus } from '../../xds-protos/gen/envoy.type.v3.ts';
import { getEnum } from '../../xds-protos/descriptor-table.ts';
import type { FieldReader } from './field-reader.ts';

/** 0 where there is none. */
export function decodeHttpStatus(reader: FieldReader<HttpStatus> | undefined): number {
  if (reader === undefined) return 0;
  const { code } = reader.message;
  const status =
    typeof code === 'string' ? getEnum('envoy.type.v3.StatusCode').numberOf.get(code) : code;
  if (status === undefined || status === 0) reader.problem('code', 'must be a status code');
  else if (typeof code === 'number') reader.problem('code', `unknown enum value ${code}`);
  return status ?? 0;
}
