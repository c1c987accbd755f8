// [m] Decodes filters of access logs, which `local_reply_config` uses, too (envoy-behaviour §11.1).
import type {
  AccessLogFilter,
  ComparisonFilter,
  GrpcStatusFilter,
  GrpcStatusFilter_Status,
  MetadataFilter,
  RuntimeFilter,
} from '../../xds-protos/gen/envoy.config.accesslog.v3.ts';
import type {
  AccessLogFilterConfig,
  AccessLogType,
  ComparisonConfig,
} from '../config/access-log-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeFraction, decodeHeaderMatch } from './matcher-decoder.ts';
import { decodeMetadataMatch } from './metadata-match-decoder.ts';
import { typedConfigOf } from './typed-config.ts';

type Reader = FieldReader<AccessLogFilter>;

const EVERYTHING: AccessLogFilterConfig = { kind: 'not_health_check' };
/** Filters within filters: deeper ones are an attack, not a filter. */
const MAX_DEPTH = 16;

const DECODERS: Readonly<Record<string, (reader: Reader, depth: number) => AccessLogFilterConfig>> =
  {
    status_code_filter: (reader) => ({
      kind: 'status_code',
      ...decodeComparison(reader.child('status_code_filter')!.required('comparison')),
    }),
    duration_filter: (reader) => ({
      kind: 'duration',
      ...decodeComparison(reader.child('duration_filter')!.required('comparison')),
    }),
    not_health_check_filter: () => ({ kind: 'not_health_check' }),
    traceable_filter: () => ({ kind: 'traceable' }),
    runtime_filter: (reader) => decodeRuntime(reader.child('runtime_filter')!),
    and_filter: (reader, depth) => ({
      kind: 'and',
      filters: filterList(reader, 'and_filter', depth),
    }),
    or_filter: (reader, depth) => ({ kind: 'or', filters: filterList(reader, 'or_filter', depth) }),
    header_filter: (reader) => {
      const header = reader.child('header_filter')!.required('header');
      return header === undefined
        ? EVERYTHING
        : { kind: 'header', match: decodeHeaderMatch(header) };
    },
    response_flag_filter: (reader) => ({
      kind: 'response_flag',
      flags: reader.message.response_flag_filter?.flags ?? [],
    }),
    grpc_status_filter: (reader) => decodeGrpcStatus(reader.child('grpc_status_filter')!),
    metadata_filter: (reader) => decodeMetadata(reader.child('metadata_filter')!),
    log_type_filter: (reader) => {
      const filter = reader.child('log_type_filter')!;
      const types = (filter.message.types ?? []) as readonly (AccessLogType | number)[];
      types.forEach((type, index) => {
        if (typeof type === 'number')
          filter.problem(`types[${index}]`, `unknown enum value ${type}`);
      });
      return {
        kind: 'log_type',
        types: types.filter((type) => typeof type === 'string'),
        exclude: filter.bool('exclude'),
      };
    },
    extension_filter: (reader) => decodeExtension(reader),
  };

export function decodeAccessLogFilter(reader: Reader, depth = 0): AccessLogFilterConfig {
  if (depth > MAX_DEPTH) {
    reader.problem('', `is nested deeper than ${MAX_DEPTH}`);
    return EVERYTHING;
  }
  for (const [field, decode] of Object.entries(DECODERS))
    if (reader.has(field as keyof AccessLogFilter)) return decode(reader, depth);
  reader.problem('', 'one filter is required');
  return EVERYTHING;
}

function filterList(
  reader: Reader,
  field: 'and_filter' | 'or_filter',
  depth: number,
): readonly AccessLogFilterConfig[] {
  const filters = reader.child(field)!.children('filters');
  if (filters.length < 2) reader.problem(`${field}.filters`, 'at least two are required');
  return filters.map((filter) => decodeAccessLogFilter(filter, depth + 1));
}

function decodeComparison(reader: FieldReader<ComparisonFilter> | undefined): ComparisonConfig {
  if (reader === undefined) return { op: 'EQ', value: 0 };
  const value = reader.required('value');
  return {
    op: reader.enumName('op', 'EQ'),
    value: value?.number('default_value', 0) ?? 0,
    runtimeKey: value?.requiredString('runtime_key'),
  };
}

function decodeRuntime(reader: FieldReader<RuntimeFilter>): AccessLogFilterConfig {
  const percent = reader.child('percent_sampled');
  const fraction =
    percent === undefined ? { numerator: 0, denominator: 100 as const } : decodeFraction(percent);
  return {
    kind: 'runtime',
    fraction: { ...fraction, runtimeKey: reader.requiredString('runtime_key') },
    independent: reader.bool('use_independent_randomness'),
  };
}

const GRPC_STATUSES: readonly GrpcStatusFilter_Status[] = [
  'OK',
  'CANCELED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

function decodeGrpcStatus(reader: FieldReader<GrpcStatusFilter>): AccessLogFilterConfig {
  const statuses: number[] = [];
  (reader.message.statuses ?? []).forEach((status, index) => {
    const number = typeof status === 'number' ? -1 : GRPC_STATUSES.indexOf(status);
    if (number < 0) reader.problem(`statuses[${index}]`, `unknown enum value ${status}`);
    else statuses.push(number);
  });
  return { kind: 'grpc_status', statuses, exclude: reader.bool('exclude') };
}

function decodeMetadata(reader: FieldReader<MetadataFilter>): AccessLogFilterConfig {
  const matcher = reader.child('matcher');
  return {
    kind: 'metadata',
    match: matcher && decodeMetadataMatch(matcher),
    matchIfKeyNotFound: (reader.message.match_if_key_not_found ?? true) as boolean,
  };
}

function decodeExtension(reader: Reader): AccessLogFilterConfig {
  const extension = reader.child('extension_filter')!;
  const config = typedConfigOf(extension);
  if (config === undefined) return EVERYTHING;
  // istiod sends it: a log that tells too much is better than a listener that is refused.
  if (config.typeName !== 'envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter')
    config.unknown(extension.string('name'));
  return { kind: 'inert', typeUrl: config.typeUrl };
}
