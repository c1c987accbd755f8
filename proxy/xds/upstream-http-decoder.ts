// [m] Decodes HTTP settings of a cluster: HttpProtocolOptions, or the older fields of the cluster itself (istio-contract §4.5).
import type { Cluster } from '../../xds-protos/gen/envoy.config.cluster.v3.ts';
import type {
  Http1ProtocolOptions,
  Http2ProtocolOptions,
  HttpProtocolOptions as Common,
  UpstreamHttpProtocolOptions,
} from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { HttpProtocolOptions } from '../../xds-protos/gen/envoy.extensions.upstreams.http.v3.ts';
import type { Any } from '../../xds-protos/well-known-types.ts';
import type { UpstreamHttpConfig } from '../config/cluster-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeHeaderKeyFormat, decodeHttp2 } from './http-protocol-decoder.ts';
import { TypedConfig } from './typed-config.ts';

const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const DEFAULT_IDLE_TIMEOUT_MS = 3_600_000;

export function decodeUpstreamHttp(reader: FieldReader<Cluster>): UpstreamHttpConfig {
  for (const [name, any] of reader.entries('typed_extension_protocol_options')) {
    const config = new TypedConfig(any.message as Any, any.path, any.problems);
    if (config.typeName !== OPTIONS) {
      config.unknown(name);
      continue;
    }
    const options = config.as(OPTIONS);
    if (options !== undefined)
      return withAutoTls(fromOptions(options), options.child('upstream_http_protocol_options'));
  }
  return withAutoTls(fromCluster(reader), reader.child('upstream_http_protocol_options'));
}

function withAutoTls(
  config: UpstreamHttpConfig,
  reader: FieldReader<UpstreamHttpProtocolOptions> | undefined,
): UpstreamHttpConfig {
  if (reader === undefined) return config;
  const sni = reader.bool('auto_sni');
  const sanValidation = reader.bool('auto_san_validation');
  if (!sni && !sanValidation) return config;
  const header = reader.string('override_auto_sni_header').toLowerCase();
  return { ...config, autoTls: { sni, sanValidation, header } };
}

function fromOptions(reader: FieldReader<HttpProtocolOptions>): UpstreamHttpConfig {
  // Upstream HTTP filters: only the codec itself, which is what having none means.
  for (const filter of reader.children('http_filters')) {
    const typeUrl = filter.message.typed_config?.type_url ?? '';
    if (!typeUrl.endsWith('/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec')) {
      filter.problem('', 'upstream HTTP filters are not supported by this version');
    }
  }
  reader.refuse('outlier_detection');
  reader.refuse('request_mirror_policies');
  reader.refuse('hash_policy');
  reader.refuse('retry_policy');
  const common = reader.child('common_http_protocol_options');
  const explicit = reader.child('explicit_http_config');
  const downstream = reader.child('use_downstream_protocol_config');
  const auto = reader.child('auto_config');
  if (downstream !== undefined) {
    return settings('use_downstream', downstream, common);
  }
  if (auto !== undefined) return settings('auto', auto, common);
  if (explicit === undefined) {
    reader.problem(
      '',
      'one of explicit_http_config, use_downstream_protocol_config, auto_config is required',
    );
    return settings('http1', undefined, common);
  }
  explicit.refuse('http3_protocol_options');
  const protocol = explicit.has('http2_protocol_options') ? 'http2' : 'http1';
  return settings(protocol, explicit, common);
}

/** The fields of the cluster that HttpProtocolOptions replaced. */
function fromCluster(reader: FieldReader<Cluster>): UpstreamHttpConfig {
  const common = reader.child('common_http_protocol_options');
  let protocol: UpstreamHttpConfig['protocol'] = reader.has('http2_protocol_options')
    ? 'http2'
    : 'http1';
  if (
    reader.enumName('protocol_selection', 'USE_CONFIGURED_PROTOCOL') === 'USE_DOWNSTREAM_PROTOCOL'
  ) {
    protocol = 'use_downstream';
  }
  const config = settings(protocol, reader, common);
  const maxRequests = reader.optionalNumber('max_requests_per_connection');
  return maxRequests === undefined ? config : { ...config, maxRequestsPerConnection: maxRequests };
}

/** The two fields as they stand in the cluster and in every one of the newer messages. */
interface VersionOptions {
  http_protocol_options?: Http1ProtocolOptions | undefined;
  http2_protocol_options?: Http2ProtocolOptions | undefined;
}

function settings(
  protocol: UpstreamHttpConfig['protocol'],
  versions: FieldReader<VersionOptions> | undefined,
  common: FieldReader<Common> | undefined,
): UpstreamHttpConfig {
  const http1 = versions?.child('http_protocol_options');
  return {
    protocol,
    ...times(common),
    maxRequestsPerConnection: common?.number('max_requests_per_connection', 0) ?? 0,
    // Envoy's client takes 80 KiB of headers on HTTP/1 and 60 on HTTP/2 (envoy-behaviour §1.14).
    maxResponseHeadersKb: headersKb(common, protocol === 'http2' ? 60 : 80),
    maxHeadersCount: common?.number('max_headers_count', 100, 1) ?? 100,
    enableTrailers: http1?.bool('enable_trailers') ?? false,
    http2: decodeHttp2(versions?.child('http2_protocol_options'), false),
    headerKeyFormat: decodeHeaderKeyFormat(http1),
    allowChunkedLength: http1?.bool('allow_chunked_length') ?? false,
    sendFullyQualifiedUrl: http1?.bool('send_fully_qualified_url') ?? false,
  };
}

const headersKb = (common: FieldReader<Common> | undefined, fallback: number): number =>
  common?.number('max_response_headers_kb', fallback, 1) ?? fallback;

function times(
  common: FieldReader<Common> | undefined,
): Pick<UpstreamHttpConfig, 'idleTimeoutMs' | 'maxConnectionDurationMs' | 'maxStreamDurationMs'> {
  return {
    idleTimeoutMs:
      common?.durationMs('idle_timeout', DEFAULT_IDLE_TIMEOUT_MS) ?? DEFAULT_IDLE_TIMEOUT_MS,
    maxConnectionDurationMs: common?.durationMs('max_connection_duration', 0) ?? 0,
    maxStreamDurationMs: common?.durationMs('max_stream_duration', 0) ?? 0,
  };
}
