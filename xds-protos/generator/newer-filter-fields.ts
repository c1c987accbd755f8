// Fields of HTTP filters that Envoy 1.40 has and the .proto files do not yet (development only): rows of newer-fields.ts.
import type { NewerField } from './newer-fields.ts';

const RATE_LIMIT = 'envoy.config.route.v3.RateLimit';
const COMPRESSOR = 'envoy.extensions.filters.http.compressor.v3';
const CORE = 'envoy.config.core.v3';
const HEADER_MUTATION = 'envoy.extensions.filters.http.header_mutation.v3';
const MUTATION_RULE = 'envoy.config.common.mutation_rules.v3.HeaderMutation';
const LOCAL_RATE_LIMIT = 'envoy.extensions.filters.http.local_ratelimit.v3';
const RATE_LIMIT_SERVICE = 'envoy.extensions.filters.http.ratelimit.v3';
const EXT_AUTHZ = 'envoy.extensions.filters.http.ext_authz.v3';

export const newerFilterFields: readonly NewerField[] = [
  {
    message: 'envoy.extensions.filters.http.header_to_metadata.v3.Config',
    name: 'stat_prefix',
    number: 3,
    type: 'string',
  },
  {
    message: 'envoy.extensions.filters.http.set_filter_state.v3.Config',
    name: 'clear_route_cache',
    number: 2,
    type: 'bool',
  },
  {
    message: `${COMPRESSOR}.Compressor.CommonDirectionConfig`,
    name: 'content_type_matcher',
    number: 4,
    type: 'envoy.type.matcher.v3.StringMatcher',
    repeated: true,
  },
  {
    message: `${COMPRESSOR}.Compressor.ResponseDirectionConfig`,
    name: 'uncompressible_response_codes',
    number: 4,
    type: 'uint32',
    repeated: true,
  },
  {
    message: `${COMPRESSOR}.Compressor.ResponseDirectionConfig`,
    name: 'status_header_enabled',
    number: 5,
    type: 'bool',
  },
  {
    message: `${COMPRESSOR}.Compressor.ResponseDirectionConfig`,
    name: 'weaken_etag_on_compress',
    number: 6,
    type: 'bool',
  },
  {
    message: `${COMPRESSOR}.CompressorOverrides`,
    name: 'compressor_library',
    number: 2,
    type: 'envoy.config.core.v3.TypedExtensionConfig',
  },
  {
    message: `${HEADER_MUTATION}.Mutations`,
    name: 'query_parameter_mutations',
    number: 3,
    type: `${CORE}.KeyValueMutation`,
    repeated: true,
  },
  {
    message: `${HEADER_MUTATION}.Mutations`,
    name: 'response_trailers_mutations',
    number: 4,
    type: MUTATION_RULE,
    repeated: true,
  },
  {
    message: `${HEADER_MUTATION}.Mutations`,
    name: 'request_trailers_mutations',
    number: 5,
    type: MUTATION_RULE,
    repeated: true,
  },
  {
    message: `${HEADER_MUTATION}.Mutations`,
    name: 'formatters',
    number: 6,
    type: `${CORE}.TypedExtensionConfig`,
    repeated: true,
  },
  {
    message: MUTATION_RULE,
    name: 'remove_on_match',
    number: 3,
    type: `${MUTATION_RULE}.RemoveOnMatch`,
    oneof: 'action',
  },
  {
    message: `${LOCAL_RATE_LIMIT}.LocalRateLimit`,
    name: 'rate_limits',
    number: 17,
    type: RATE_LIMIT,
    repeated: true,
  },
  {
    message: `${LOCAL_RATE_LIMIT}.LocalRateLimit`,
    name: 'max_dynamic_descriptors',
    number: 18,
    type: 'google.protobuf.UInt32Value',
  },
  {
    message: `${LOCAL_RATE_LIMIT}.LocalRateLimit`,
    name: 'enable_retry_after_header',
    number: 19,
    type: 'bool',
  },
  {
    message: 'envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor',
    name: 'shadow_mode',
    number: 3,
    type: 'bool',
  },
  {
    message: `${EXT_AUTHZ}.ExtAuthz`,
    name: 'filter_metadata',
    number: 28,
    type: 'google.protobuf.Struct',
  },
  {
    message: `${EXT_AUTHZ}.ExtAuthz`,
    name: 'emit_filter_state_stats',
    number: 29,
    type: 'bool',
  },
  {
    message: `${EXT_AUTHZ}.ExtAuthz`,
    name: 'max_denied_response_body_bytes',
    number: 30,
    type: 'uint32',
  },
  {
    message: `${EXT_AUTHZ}.ExtAuthz`,
    name: 'enforce_response_header_limits',
    number: 31,
    type: 'bool',
  },
  {
    message: `${EXT_AUTHZ}.ExtAuthz`,
    name: 'shadow_mode',
    number: 32,
    type: 'bool',
  },
  {
    message: `${EXT_AUTHZ}.ExtAuthz`,
    name: 'emit_client_span',
    number: 33,
    type: 'google.protobuf.BoolValue',
  },
  {
    message: `${EXT_AUTHZ}.ExtAuthz`,
    name: 'clear_route_cache_headers',
    number: 34,
    type: 'string',
    repeated: true,
  },
  {
    message: `${EXT_AUTHZ}.HttpService`,
    name: 'retry_policy',
    number: 9,
    type: `${CORE}.RetryPolicy`,
  },
  {
    message: `${EXT_AUTHZ}.HttpService`,
    name: 'path_override',
    number: 10,
    type: 'string',
  },
  {
    message: `${EXT_AUTHZ}.CheckSettings`,
    name: 'grpc_service',
    number: 4,
    type: `${CORE}.GrpcService`,
  },
  {
    message: `${EXT_AUTHZ}.CheckSettings`,
    name: 'http_service',
    number: 5,
    type: `${EXT_AUTHZ}.HttpService`,
  },
  {
    message: `${EXT_AUTHZ}.CheckSettings`,
    name: 'emit_client_span',
    number: 6,
    type: 'google.protobuf.BoolValue',
  },
  {
    message: 'envoy.extensions.filters.http.fault.v3.FaultAbort',
    name: 'response_body',
    number: 6,
    type: 'string',
  },
  {
    message: `${CORE}.KeyValueAppend`,
    name: 'record',
    number: 3,
    type: `${CORE}.KeyValuePair`,
  },
  {
    message: `${RATE_LIMIT_SERVICE}.RateLimit`,
    name: 'filter_enabled',
    number: 14,
    type: `${CORE}.RuntimeFractionalPercent`,
  },
  {
    message: `${RATE_LIMIT_SERVICE}.RateLimit`,
    name: 'filter_enforced',
    number: 15,
    type: `${CORE}.RuntimeFractionalPercent`,
  },
  {
    message: `${RATE_LIMIT_SERVICE}.RateLimit`,
    name: 'failure_mode_deny_percent',
    number: 16,
    type: `${CORE}.RuntimeFractionalPercent`,
  },
  {
    message: `${RATE_LIMIT_SERVICE}.RateLimit`,
    name: 'rate_limits',
    number: 17,
    type: RATE_LIMIT,
    repeated: true,
  },
  {
    message: `${RATE_LIMIT_SERVICE}.RateLimit`,
    name: 'metadata_namespace',
    number: 18,
    type: 'string',
  },
  {
    message: `${RATE_LIMIT_SERVICE}.RateLimitPerRoute`,
    name: 'rate_limits',
    number: 3,
    type: RATE_LIMIT,
    repeated: true,
    retyped: true,
  },
];
