// Fields that Envoy has and the .proto files of @grpc/grpc-js-xds do not yet (development only). Each was seen on the wire of a
// real istiod next to its JSON (test/fixtures/istiod), which proves name, number and type, or in the descriptors that Envoy 1.40
// carries. Remove a row once the package has it: the generator then refuses the second declaration.
import protobuf from 'protobufjs';
import {
  newerBalancingEnums,
  newerBalancingFields,
  newerBalancingMessages,
} from './newer-balancing-fields.ts';
import { newerClusterFields } from './newer-cluster-fields.ts';
import { newerFilterFields } from './newer-filter-fields.ts';
import { newerHealthFields } from './newer-health-fields.ts';
import { newerTlsEnums, newerTlsFields } from './newer-tls-fields.ts';
import { newerTcpEnums, newerTcpFields, newerTcpMessages } from './newer-tcp-fields.ts';

export interface NewerField {
  readonly message: string;
  readonly name: string;
  readonly number: number;
  /** A scalar (`string`, `bool`, …) or the full name of a message. */
  readonly type: string;
  readonly repeated?: true;
  /** The oneof of the message that it belongs to. */
  readonly oneof?: string;
  /** The package has the field with another type. */
  readonly retyped?: true;
}

const ROUTE = 'envoy.config.route.v3';
const RATE_LIMIT = `${ROUTE}.RateLimit`;
const CORE = 'envoy.config.core.v3';
const MUTATION_RULE = 'envoy.config.common.mutation_rules.v3.HeaderMutation';
const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3';
const XFF = 'envoy.extensions.http.original_ip_detection.xff.v3';

const newerFields: readonly NewerField[] = [
  ...newerTlsFields,
  // Envoy 1.40: HTTP/1 options.
  {
    message: `${CORE}.Http1ProtocolOptions`,
    name: 'ignore_http_11_upgrade',
    number: 11,
    type: 'envoy.type.matcher.v3.StringMatcher',
    repeated: true,
  },
  // 06-protocols: DNS clusters.
  {
    message: 'envoy.config.cluster.v3.Cluster',
    name: 'dns_jitter',
    number: 58,
    type: 'google.protobuf.Duration',
  },
  // 13-extensions: WasmPlugin.
  {
    message: 'envoy.extensions.wasm.v3.PluginConfig',
    name: 'failure_policy',
    number: 7,
    type: 'envoy.extensions.wasm.v3.FailurePolicy',
  },
  // Envoy 1.40: routes.
  {
    message: 'xds.type.matcher.v3.Matcher.OnMatch',
    name: 'keep_matching',
    number: 3,
    type: 'bool',
  },
  {
    message: `${ROUTE}.RouteMatch`,
    name: 'filter_state',
    number: 16,
    type: 'envoy.type.matcher.v3.FilterStateMatcher',
    repeated: true,
  },
  {
    message: `${ROUTE}.RouteMatch`,
    name: 'cookies',
    number: 17,
    type: `${ROUTE}.CookieMatcher`,
    repeated: true,
  },
  {
    message: `${ROUTE}.RouteAction`,
    name: 'flush_timeout',
    number: 42,
    type: 'google.protobuf.Duration',
  },
  {
    message: `${ROUTE}.RouteAction`,
    name: 'host_rewrite',
    number: 44,
    type: 'string',
    oneof: 'host_rewrite_specifier',
  },
  { message: `${ROUTE}.RouteAction`, name: 'path_rewrite', number: 45, type: 'string' },
  // Envoy 1.40: what clusters may say of requests, over their routes.
  {
    message: 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    name: 'request_mirror_policies',
    number: 9,
    type: `${ROUTE}.RouteAction.RequestMirrorPolicy`,
    repeated: true,
  },
  {
    message: 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    name: 'hash_policy',
    number: 10,
    type: `${ROUTE}.RouteAction.HashPolicy`,
    repeated: true,
  },
  {
    message: 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    name: 'retry_policy',
    number: 11,
    type: `${ROUTE}.RetryPolicy`,
  },
  {
    message: `${ROUTE}.RouteAction.RequestMirrorPolicy`,
    name: 'request_headers_mutations',
    number: 7,
    type: 'envoy.config.common.mutation_rules.v3.HeaderMutation',
    repeated: true,
  },
  {
    message: `${ROUTE}.RouteAction.RequestMirrorPolicy`,
    name: 'host_rewrite_literal',
    number: 8,
    type: 'string',
  },
  {
    message: `${ROUTE}.RedirectAction`,
    name: 'path_rewrite',
    number: 10,
    type: 'string',
    oneof: 'path_rewrite_specifier',
  },
  {
    message: `${ROUTE}.DirectResponseAction`,
    name: 'body_format',
    number: 3,
    type: 'envoy.config.core.v3.SubstitutionFormatString',
  },
  {
    message: `${ROUTE}.WeightedCluster`,
    name: 'use_hash_policy',
    number: 5,
    type: 'google.protobuf.BoolValue',
    oneof: 'random_value_specifier',
  },
  {
    message: `${ROUTE}.VirtualHost`,
    name: 'request_body_buffer_limit',
    number: 25,
    type: 'google.protobuf.UInt64Value',
  },
  {
    message: `${ROUTE}.VirtualHost`,
    name: 'route_specifiers',
    number: 26,
    type: 'envoy.config.core.v3.TypedExtensionConfig',
    repeated: true,
  },
  {
    message: `${ROUTE}.Route`,
    name: 'request_body_buffer_limit',
    number: 20,
    type: 'google.protobuf.UInt64Value',
  },
  {
    message: `${ROUTE}.Route`,
    name: 'route_specifiers',
    number: 21,
    type: 'envoy.config.core.v3.TypedExtensionConfig',
    repeated: true,
  },
  {
    message: 'envoy.type.matcher.v3.FilterStateMatcher',
    name: 'address_match',
    number: 3,
    type: 'envoy.type.matcher.v3.AddressMatcher',
    oneof: 'matcher',
  },
  // Envoy 1.40: rate limit actions.
  { message: RATE_LIMIT, name: 'hits_addend', number: 5, type: `${RATE_LIMIT}.HitsAddend` },
  { message: RATE_LIMIT, name: 'apply_on_stream_done', number: 6, type: 'bool' },
  {
    message: RATE_LIMIT,
    name: 'x_ratelimit_option',
    number: 7,
    type: `${RATE_LIMIT}.XRateLimitOption`,
  },
  {
    message: `${RATE_LIMIT}.Action`,
    name: 'query_parameters',
    number: 12,
    type: `${RATE_LIMIT}.Action.QueryParameters`,
    oneof: 'action_specifier',
  },
  {
    message: `${RATE_LIMIT}.Action`,
    name: 'remote_address_match',
    number: 13,
    type: `${RATE_LIMIT}.Action.RemoteAddressMatch`,
    oneof: 'action_specifier',
  },
  { message: `${RATE_LIMIT}.Action.GenericKey`, name: 'default_value', number: 3, type: 'string' },
  {
    message: `${RATE_LIMIT}.Action.HeaderValueMatch`,
    name: 'default_value',
    number: 5,
    type: 'string',
  },
  {
    message: `${RATE_LIMIT}.Action.QueryParameterValueMatch`,
    name: 'default_value',
    number: 5,
    type: 'string',
  },
  {
    message: `${RATE_LIMIT}.Override`,
    name: 'rate_limit',
    number: 2,
    type: `${RATE_LIMIT}.Override.RateLimitOverride`,
    oneof: 'override_specifier',
  },
  ...newerFilterFields,
  ...newerHealthFields,
  ...newerTcpFields,
  ...newerBalancingFields,
  ...newerClusterFields,
  // Envoy 1.40: connection manager.
  {
    message: `${HCM}.HttpConnectionManager`,
    name: 'http1_safe_max_connection_duration',
    number: 58,
    type: 'bool',
  },
  {
    message: `${HCM}.HttpConnectionManager`,
    name: 'stream_flush_timeout',
    number: 59,
    type: 'google.protobuf.Duration',
  },
  {
    message: `${HCM}.HttpConnectionManager`,
    name: 'forward_client_cert_matcher',
    number: 60,
    type: 'xds.type.matcher.v3.Matcher',
  },
  {
    message: `${HCM}.HttpConnectionManager`,
    name: 'forward_proto_config',
    number: 61,
    type: `${HCM}.ForwardProtoConfig`,
  },
  {
    message: `${HCM}.HttpConnectionManager`,
    name: 'drain_timeout_jitter',
    number: 62,
    type: 'envoy.type.v3.Percent',
  },
  {
    message: `${HCM}.HttpConnectionManager`,
    name: 'record_route_resolution_stats',
    number: 63,
    type: 'bool',
  },
  {
    message: 'envoy.config.core.v3.HttpProtocolOptions',
    name: 'max_response_headers_kb',
    number: 7,
    type: 'google.protobuf.UInt32Value',
  },
  {
    message: 'envoy.config.core.v3.HttpProtocolOptions',
    name: 'max_connection_duration_jitter',
    number: 8,
    type: 'envoy.type.v3.Percent',
  },
  {
    message: `${XFF}.XffConfig`,
    name: 'xff_trusted_cidrs',
    number: 2,
    type: `${XFF}.XffTrustedCidrs`,
  },
  {
    message: `${XFF}.XffConfig`,
    name: 'skip_xff_append',
    number: 3,
    type: 'google.protobuf.BoolValue',
  },
];

/** Whole messages, as the rows above. */
const newerMessages: Readonly<Record<string, readonly Omit<NewerField, 'message'>[]>> = {
  ...newerTcpMessages,
  ...newerBalancingMessages,
  [`${ROUTE}.CookieMatcher`]: [
    { name: 'name', number: 1, type: 'string' },
    { name: 'string_match', number: 2, type: 'envoy.type.matcher.v3.StringMatcher' },
    { name: 'invert_match', number: 3, type: 'bool' },
  ],
  [`${HCM}.ForwardProtoConfig`]: [
    { name: 'https_destination_ports', number: 1, type: 'uint32', repeated: true },
    { name: 'http_destination_ports', number: 2, type: 'uint32', repeated: true },
  ],
  [`${XFF}.XffTrustedCidrs`]: [
    { name: 'cidrs', number: 1, type: 'envoy.config.core.v3.CidrRange', repeated: true },
  ],
  'envoy.type.matcher.v3.AddressMatcher': [
    { name: 'ranges', number: 1, type: 'xds.core.v3.CidrRange', repeated: true },
    { name: 'invert_match', number: 2, type: 'bool' },
  ],
  [`${CORE}.KeyValuePair`]: [
    { name: 'key', number: 1, type: 'string' },
    { name: 'value', number: 2, type: 'google.protobuf.Value' },
  ],
  [`${MUTATION_RULE}.RemoveOnMatch`]: [
    { name: 'key_matcher', number: 1, type: 'envoy.type.matcher.v3.StringMatcher' },
  ],
  [`${RATE_LIMIT}.HitsAddend`]: [
    { name: 'number', number: 1, type: 'google.protobuf.UInt64Value' },
    { name: 'format', number: 2, type: 'string' },
    { name: 'is_negative_hits', number: 3, type: 'bool' },
  ],
  [`${RATE_LIMIT}.Action.QueryParameters`]: [
    { name: 'query_parameter_name', number: 1, type: 'string' },
    { name: 'descriptor_key', number: 2, type: 'string' },
    { name: 'skip_if_absent', number: 3, type: 'bool' },
  ],
  [`${RATE_LIMIT}.Action.RemoteAddressMatch`]: [
    { name: 'descriptor_value', number: 1, type: 'string' },
    { name: 'descriptor_key', number: 2, type: 'string' },
    { name: 'default_value', number: 3, type: 'string' },
    { name: 'address_matcher', number: 4, type: 'envoy.type.matcher.v3.AddressMatcher' },
  ],
  [`${RATE_LIMIT}.Override.RateLimitOverride`]: [
    { name: 'requests_per_unit', number: 1, type: 'uint32' },
    { name: 'unit', number: 2, type: 'envoy.type.v3.RateLimitUnit' },
  ],
};

const newerEnums: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  ...newerTcpEnums,
  ...newerBalancingEnums,
  ...newerTlsEnums,
  'envoy.extensions.wasm.v3.FailurePolicy': {
    UNSPECIFIED: 0,
    FAIL_RELOAD: 1,
    FAIL_CLOSED: 2,
    FAIL_OPEN: 3,
  },
  [`${RATE_LIMIT}.XRateLimitOption`]: { UNSPECIFIED: 0, OFF: 1, DRAFT_VERSION_03: 2 },
};

/** Messages of the .proto files that the rows name: their files have to be loaded. */
export const typesOfNewerFields: readonly string[] = [
  ...newerFields,
  ...Object.values(newerMessages).flat(),
]
  .map(({ type }) => type)
  .filter((type) => type.includes('.') && !(type in newerMessages) && !(type in newerEnums));

/** Values of enums that the package has. */
const newerEnumValues: readonly {
  readonly of: string;
  readonly name: string;
  readonly number: number;
}[] = [
  { of: 'envoy.config.accesslog.v3.ComparisonFilter.Op', name: 'NE', number: 3 },
  { of: 'envoy.data.accesslog.v3.AccessLogType', name: 'TcpConnectionStart', number: 14 },
];

export function addNewerFields(root: protobuf.Root): void {
  for (const { of, name, number } of newerEnumValues) {
    const found = root.lookup(`.${of}`);
    if (found instanceof protobuf.Enum) found.add(name, number);
  }
  for (const [fullName, values] of Object.entries(newerEnums))
    addTo(root, fullName, (name) => new protobuf.Enum(name, { ...values }));
  for (const [fullName, fields] of Object.entries(newerMessages)) {
    addTo(root, fullName, (name) => {
      const message = new protobuf.Type(name);
      for (const field of fields) addField(message, field);
      return message;
    });
  }
  for (const field of newerFields) {
    // Only what the roots reach is loaded.
    const found = root.lookup(`.${field.message}`);
    if (found instanceof protobuf.Type) addField(found, field);
  }
}

function addTo(
  root: protobuf.Root,
  fullName: string,
  make: (name: string) => protobuf.ReflectionObject,
): void {
  const dot = fullName.lastIndexOf('.');
  root.define(fullName.slice(0, dot)).add(make(fullName.slice(dot + 1)));
}

function addField(message: protobuf.Type, newer: Omit<NewerField, 'message'>): void {
  const { name, number, type, repeated, oneof, retyped } = newer;
  const typeName = type.includes('.') ? `.${type}` : type;
  const field = new protobuf.Field(name, number, typeName, repeated && 'repeated');
  if (retyped) message.remove(message.fields[name]!);
  if (oneof === undefined) message.add(field);
  else message.oneofs[oneof]!.add(field);
}
