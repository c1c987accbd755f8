// [m] Decodes formats with %COMMANDS%: of access logs, bodies, header values (envoy-behaviour §11.1).
import type {
  SubstitutionFormatString,
  TypedExtensionConfig,
} from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { JsonObject } from '../../xds-protos/well-known-types.ts';
import type { AccessLogFormat } from '../config/access-log-config.ts';
import { decodeInlineText } from './data-source.ts';
import type { FieldReader } from './field-reader.ts';
import { typedConfigOf } from './typed-config.ts';

const REQ_WITHOUT_QUERY = 'envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery';
const CEL = 'envoy.extensions.formatter.cel.v3.Cel';
/** Its command is there without it. */
const METADATA = 'envoy.extensions.formatter.metadata.v3.Metadata';

export const jsonFormat = (format: JsonObject): AccessLogFormat => ({
  kind: 'json',
  json: JSON.stringify(format),
  omitEmptyValues: false,
});

/** Commands are checked where the format is compiled (listener-manager/trial-compile.ts). */
export function decodeFormat(reader: FieldReader<SubstitutionFormatString>): AccessLogFormat {
  const more = {
    omitEmptyValues: reader.bool('omit_empty_values'),
    reqWithoutQuery: decodeFormatters(reader.children('formatters')),
    contentType: reader.string('content_type'),
  };
  const { text_format, json_format } = reader.message;
  if (json_format !== undefined) return { ...jsonFormat(json_format), ...more };
  const source = reader.child('text_format_source');
  if (source !== undefined) return { kind: 'text', text: decodeInlineText(source), ...more };
  if (text_format === undefined) {
    reader.problem('', 'one of text_format, json_format, text_format_source is required');
  }
  return { kind: 'text', text: text_format ?? '', ...more };
}

/** Whether `%REQ_WITHOUT_QUERY(X)%` exists. */
function decodeFormatters(formatters: readonly FieldReader<TypedExtensionConfig>[]): boolean {
  let reqWithoutQuery = false;
  for (const formatter of formatters) {
    const config = typedConfigOf(formatter);
    if (config?.typeName === REQ_WITHOUT_QUERY) reqWithoutQuery = true;
    else if (config?.typeName === CEL)
      config.problem('CEL expressions are not supported by this version');
    else if (config !== undefined && config.typeName !== METADATA)
      config.unknown(formatter.string('name'));
  }
  return reqWithoutQuery;
}
