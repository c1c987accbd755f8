// [m] Decodes local_reply_config of the connection manager (envoy-behaviour §1.15).
import type {
  LocalReplyConfig as LocalReplyMessage,
  ResponseMapper,
} from '../../xds-protos/gen/envoy.extensions.filters.network.http_connection_manager.v3.ts';
import type { LocalReplyConfig, LocalReplyMapperConfig } from '../config/local-reply-config.ts';
import { decodeFormat } from './format-decoder.ts';
import { decodeAccessLogFilter } from './access-log-filter-decoder.ts';
import { decodeDataSource } from './data-source.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeHeaderAdd } from './header-mutation-decoder.ts';

export function decodeLocalReply(reader: FieldReader<LocalReplyMessage>): LocalReplyConfig {
  const format = reader.child('body_format');
  return {
    mappers: reader.children('mappers').flatMap(decodeMapper),
    bodyFormat: format && decodeFormat(format),
  };
}

function decodeMapper(reader: FieldReader<ResponseMapper>): readonly LocalReplyMapperConfig[] {
  const filter = reader.required('filter');
  if (filter === undefined) return [];
  const body = reader.child('body');
  const format = reader.child('body_format_override');
  return [
    {
      filter: decodeAccessLogFilter(filter),
      status: reader.optionalNumber('status_code', 200, 599),
      body: body && decodeDataSource(body),
      headersToAdd: reader.children('headers_to_add').map(decodeHeaderAdd),
      bodyFormat: format && decodeFormat(format),
    },
  ];
}
