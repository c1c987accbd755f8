// [m] Decodes one of `rate_limits` of routes, virtual hosts and filters. Loaded for the first (rate-limits.ts).
import type { RateLimit, RateLimit_Action } from '../../xds-protos/gen/envoy.config.route.v3.ts';
import type { MetadataKey } from '../../xds-protos/gen/envoy.type.metadata.v3.ts';
import type {
  RateLimitActionConfig,
  RateLimitConfig,
  RateLimitLimitConfig,
} from '../config/rate-limit-config.ts';
import { decodeCidr } from './address-decoder.ts';
import type { FieldReader } from './field-reader.ts';
import { breaksHeader, decodeHeaderMatches, decodeQueryMatch } from './matcher-decoder.ts';

const MAX_STAGE = 10;
const MAX_HITS = 1_000_000_000;

export function decodeRateLimit(reader: FieldReader<RateLimit>): RateLimitConfig {
  const actions = reader.children('actions');
  if (actions.length === 0) reader.problem('actions', 'at least one is required');
  const hits = reader.child('hits_addend');
  if (hits !== undefined && hits.string('format') !== '') hits.refuse('format');
  hits?.refuse('is_negative_hits');
  reader.refuse('apply_on_stream_done');
  return {
    stage: reader.number('stage', 0, 0, MAX_STAGE),
    disableKey: reader.string('disable_key'),
    actions: actions.map(decodeAction).filter((action) => action !== undefined),
    hitsAddend: hits?.optionalNumber('number', 0, MAX_HITS),
    rateLimitHeaders: headersOption(reader),
    limit: decodeLimit(reader),
  };
}

function decodeLimit(reader: FieldReader<RateLimit>): RateLimitLimitConfig | undefined {
  const limit = reader.child('limit');
  const fixed = limit?.child('rate_limit');
  if (fixed !== undefined)
    return {
      kind: 'fixed',
      requestsPerUnit: fixed.number('requests_per_unit', 0),
      unit: fixed.enumName('unit', 'UNKNOWN'),
    };
  const key = limit?.child('dynamic_metadata')?.required('metadata_key');
  return (
    key && { kind: 'metadata', namespace: key.requiredString('key'), path: decodeMetadataPath(key) }
  );
}

function headersOption(reader: FieldReader<RateLimit>): boolean | undefined {
  const option = reader.enumName('x_ratelimit_option', 'UNSPECIFIED');
  return option === 'UNSPECIFIED' ? undefined : option !== 'OFF';
}

/** By the name of the field, which is also that of the oneof's case. */
const ACTIONS = {
  source_cluster: () => ({ kind: 'source_cluster' }),
  destination_cluster: () => ({ kind: 'destination_cluster' }),
  remote_address: () => ({ kind: 'remote_address' }),
  masked_remote_address: maskedRemoteAddress,
  generic_key: genericKey,
  request_headers: requestHeader,
  query_parameters: queryParameter,
  header_value_match: headerMatch,
  query_parameter_value_match: queryMatch,
  remote_address_match: remoteAddressMatch,
  metadata,
} as const satisfies Partial<
  Record<
    keyof RateLimit_Action,
    (action: FieldReader<RateLimit_Action>) => RateLimitActionConfig | undefined
  >
>;

function decodeAction(reader: FieldReader<RateLimit_Action>): RateLimitActionConfig | undefined {
  for (const field of Object.keys(ACTIONS) as (keyof typeof ACTIONS)[])
    if (reader.has(field)) return ACTIONS[field](reader);
  if (reader.has('dynamic_metadata'))
    reader.problem('dynamic_metadata', 'is deprecated and off in Envoy; use metadata');
  else if (reader.has('extension')) reader.refuse('extension');
  else reader.problem('', 'one of the actions is required');
  return undefined;
}

function maskedRemoteAddress(action: FieldReader<RateLimit_Action>): RateLimitActionConfig {
  const reader = action.child('masked_remote_address')!;
  return {
    kind: 'masked_remote_address',
    v4PrefixLength: reader.number('v4_prefix_mask_len', 32, 0, 32),
    v6PrefixLength: reader.number('v6_prefix_mask_len', 128, 0, 128),
  };
}

function genericKey(action: FieldReader<RateLimit_Action>): RateLimitActionConfig {
  const reader = action.child('generic_key')!;
  return {
    kind: 'generic_key',
    key: reader.nonEmpty('descriptor_key') ?? 'generic_key',
    value: reader.requiredString('descriptor_value'),
  };
}

function requestHeader(action: FieldReader<RateLimit_Action>): RateLimitActionConfig {
  const reader = action.child('request_headers')!;
  const name = reader.requiredString('header_name').toLowerCase();
  if (breaksHeader(name)) reader.problem('header_name', 'holds characters no header name can have');
  return {
    kind: 'request_header',
    name,
    key: reader.requiredString('descriptor_key'),
    skipIfAbsent: reader.bool('skip_if_absent'),
  };
}

function queryParameter(action: FieldReader<RateLimit_Action>): RateLimitActionConfig {
  const reader = action.child('query_parameters')!;
  return {
    kind: 'query_parameter',
    name: reader.requiredString('query_parameter_name'),
    key: reader.requiredString('descriptor_key'),
    skipIfAbsent: reader.bool('skip_if_absent'),
  };
}

function headerMatch(action: FieldReader<RateLimit_Action>): RateLimitActionConfig {
  const reader = action.child('header_value_match')!;
  const headers = decodeHeaderMatches(reader.children('headers'));
  if (headers.length === 0) reader.problem('headers', 'at least one is required');
  return {
    kind: 'header_match',
    key: reader.nonEmpty('descriptor_key') ?? 'header_match',
    value: reader.requiredString('descriptor_value'),
    expectMatch: reader.bool('expect_match', true),
    headers,
  };
}

function queryMatch(action: FieldReader<RateLimit_Action>): RateLimitActionConfig {
  const reader = action.child('query_parameter_value_match')!;
  const query = reader.children('query_parameters').map(decodeQueryMatch);
  if (query.length === 0) reader.problem('query_parameters', 'at least one is required');
  return {
    kind: 'query_match',
    key: reader.nonEmpty('descriptor_key') ?? 'query_match',
    value: reader.requiredString('descriptor_value'),
    expectMatch: reader.bool('expect_match', true),
    query,
  };
}

function remoteAddressMatch(action: FieldReader<RateLimit_Action>): RateLimitActionConfig {
  const reader = action.child('remote_address_match')!;
  const matcher = reader.required('address_matcher');
  return {
    kind: 'remote_address_match',
    key: reader.nonEmpty('descriptor_key') ?? 'remote_address_match',
    value: reader.requiredString('descriptor_value'),
    ranges: matcher?.children('ranges').map(decodeCidr) ?? [],
    invert: matcher?.bool('invert_match') ?? false,
  };
}

function metadata(action: FieldReader<RateLimit_Action>): RateLimitActionConfig {
  const reader = action.child('metadata')!;
  const key = reader.required('metadata_key');
  return {
    kind: 'metadata',
    key: reader.requiredString('descriptor_key'),
    source: reader.enumName('source', 'DYNAMIC'),
    namespace: key?.requiredString('key') ?? '',
    path: key === undefined ? [] : decodeMetadataPath(key),
    defaultValue: reader.string('default_value'),
    skipIfAbsent: reader.bool('skip_if_absent'),
  };
}

function decodeMetadataPath(reader: FieldReader<MetadataKey>): readonly string[] {
  const segments = reader.children('path');
  if (segments.length === 0) reader.problem('path', 'at least one is required');
  return segments.map((segment) => segment.requiredString('key'));
}
