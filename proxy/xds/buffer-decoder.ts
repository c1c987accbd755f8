// [m] Decodes the buffer filter.
import type { Buffer } from '../../xds-protos/gen/envoy.extensions.filters.http.buffer.v3.ts';
import type { BufferFilterConfig } from '../config/http-filter-config.ts';
import type { FieldReader } from './field-reader.ts';

export function decodeBuffer(reader: FieldReader<Buffer>): BufferFilterConfig {
  if (!reader.has('max_request_bytes')) reader.problem('max_request_bytes', 'is required');
  return { kind: 'buffer', maxRequestBytes: reader.number('max_request_bytes', 1, 1) };
}
