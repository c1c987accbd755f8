// [m] Decodes redirects and direct responses (envoy-behaviour §3.4).
import type {
  DirectResponseAction,
  RedirectAction,
} from '../../xds-protos/gen/envoy.config.route.v3.ts';
import type { DirectResponseConfig, RedirectActionConfig } from '../config/route-config.ts';
import { decodeFormat } from './format-decoder.ts';
import { MAX_PORT } from './address-decoder.ts';
import { decodeDataSource } from './data-source.ts';
import type { FieldReader } from './field-reader.ts';
import { breaksHeader, decodeRegexRewrite } from './matcher-decoder.ts';

const REDIRECT_STATUS = {
  MOVED_PERMANENTLY: 301,
  FOUND: 302,
  SEE_OTHER: 303,
  TEMPORARY_REDIRECT: 307,
  PERMANENT_REDIRECT: 308,
} as const;

export function decodeRedirect(reader: FieldReader<RedirectAction>): RedirectActionConfig {
  const regex = reader.child('regex_rewrite');
  const port = reader.number('port_redirect', 0, 0, MAX_PORT);
  for (const field of [
    'host_redirect',
    'path_redirect',
    'prefix_rewrite',
    'path_rewrite',
    'scheme_redirect',
  ] as const) {
    if (breaksHeader(reader.string(field))) reader.problem(field, 'must not hold NUL, CR or LF');
  }
  return {
    kind: 'redirect',
    scheme: reader.nonEmpty('scheme_redirect'),
    httpsRedirect: reader.bool('https_redirect'),
    host: reader.nonEmpty('host_redirect'),
    port: port === 0 ? undefined : port,
    // Istio writes `path_redirect: ""` on a redirect that keeps the path.
    path: reader.nonEmpty('path_redirect'),
    pathFormat: reader.nonEmpty('path_rewrite'),
    prefixRewrite: reader.nonEmpty('prefix_rewrite'),
    regexRewrite: regex && decodeRegexRewrite(regex),
    stripQuery: reader.bool('strip_query'),
    status: REDIRECT_STATUS[reader.enumName('response_code', 'MOVED_PERMANENTLY')],
  };
}

export function decodeDirectResponse(
  reader: FieldReader<DirectResponseAction>,
  maxBodyBytes: number,
): DirectResponseConfig {
  const status = reader.number('status', 500, 200, 599);
  if (!reader.has('status')) reader.problem('status', 'is required');
  const source = reader.child('body');
  const bytes = (source && decodeDataSource(source)) ?? new Uint8Array();
  if (bytes.byteLength > maxBodyBytes) {
    reader.problem(
      'body',
      `response body size is ${bytes.byteLength} bytes; maximum is ${maxBodyBytes}`,
    );
  }
  const body = Buffer.from(bytes).toString('utf8');
  const bodyFormat = reader.child('body_format');
  return {
    kind: 'direct_response',
    status,
    body,
    ...(source?.has('inline_bytes') === true ? { bodyBytes: new Uint8Array(bytes) } : {}),
    ...(bodyFormat === undefined ? {} : { format: decodeFormat(bodyFormat) }),
  };
}
