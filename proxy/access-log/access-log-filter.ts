// [w] Which streams an access log tells of (envoy-behaviour §11.1, access-log filters); compiled once.
import { unreachable } from '../base/assert.ts';
import { realTime } from '../base/clock.ts';
import { realRandom } from '../base/random.ts';
import { Runtime } from '../base/runtime.ts';
import { ConfigError } from '../config/config-error.ts';
import { isResponseFlag } from '../stream-info/response-flags.ts';
import { TraceReason } from '../stream-info/trace-reason.ts';
import { H } from '../http/headers.ts';
import { RequestHeaders } from '../http/header-map.ts';
import { answeredGrpcStatus } from './grpc-status.ts';
import type { AccessLogFilterConfig, ComparisonConfig } from '../config/access-log-config.ts';
import type { HeaderMatchConfig, MetadataMatchConfig } from '../config/matcher-config.ts';
import type { RandomSource } from '../base/random.ts';
import type { AccessLogEntry } from '../http/conn-manager-context.ts';
import type { DynamicMetadata } from '../stream-info/dynamic-metadata.ts';

export type AccessLogFilter = (entry: AccessLogEntry) => boolean;

/** What filters need of elsewhere. The matchers live in a higher layer and are handed down. */
export interface FilterEnvironment {
  readonly runtime: Runtime;
  readonly random: RandomSource;
  headerMatcher(config: HeaderMatchConfig): (headers: RequestHeaders) => boolean;
  metadataMatcher(config: MetadataMatchConfig): (metadata: DynamicMetadata) => boolean;
}

/** Without matchers: for processes and tests whose filters need none. */
export const NO_FILTER_ENVIRONMENT: FilterEnvironment = {
  runtime: Runtime.EMPTY,
  random: realRandom,
  headerMatcher: () => () => false,
  metadataMatcher: () => () => false,
};

type Comparison = (actual: number) => boolean;

function comparison(config: ComparisonConfig, { runtime }: FilterEnvironment): Comparison {
  const value = runtime.integer(config.runtimeKey ?? '', config.value);
  switch (config.op) {
    case 'EQ':
      return (actual) => actual === value;
    case 'GE':
      return (actual) => actual >= value;
    case 'LE':
      return (actual) => actual <= value;
    case 'NE':
      return (actual) => actual !== value;
    default:
      return unreachable(config.op);
  }
}

function responseFlagFilter(flags: readonly string[]): AccessLogFilter {
  if (flags.length === 0) return ({ info }) => info.flags !== '-';
  const known = flags.filter(isResponseFlag);
  const strange = flags.find((flag) => !isResponseFlag(flag));
  if (strange !== undefined) {
    const message = `'${strange}' is no response flag`;
    throw new ConfigError([{ path: 'response_flag_filter.flags', message }]);
  }
  return ({ info }) => known.some((flag) => info.hasFlag(flag));
}

/** Milliseconds so far, for a stream that is not over. */
const durationMs = ({ info }: AccessLogEntry): number =>
  Math.floor((Number.isNaN(info.endMs) ? realTime.monotonicMs() : info.endMs) - info.startMs);

const NO_HEADERS = new RequestHeaders();

/** As Envoy reads a request id: its first eight hex digits; undefined: it has none. */
function requestIdNumber(headers: RequestHeaders | undefined): number | undefined {
  const id = headers?.get(H.xRequestId);
  return id !== undefined && id.length === 36 && /^[0-9a-fA-F]{8}/.test(id)
    ? Number(`0x${id.slice(0, 8)}`)
    : undefined;
}

type ConfigOf<K> = Extract<AccessLogFilterConfig, { readonly kind: K }>;

function runtimeFilter(
  { fraction, independent }: ConfigOf<'runtime'>,
  { runtime, random }: FilterEnvironment,
): AccessLogFilter {
  return ({ requestHeaders }) => {
    const number = independent ? undefined : requestIdNumber(requestHeaders);
    return runtime.holds(fraction.runtimeKey ?? '', fraction, number ?? random.nextUint32());
  };
}

function metadataFilter(
  config: ConfigOf<'metadata'>,
  environment: FilterEnvironment,
): AccessLogFilter {
  const { match, matchIfKeyNotFound } = config;
  if (match === undefined) return () => matchIfKeyNotFound;
  const matches = environment.metadataMatcher({ ...match, invert: false });
  return ({ info: { dynamicMetadata } }) => {
    const value = dynamicMetadata?.value(match.namespace, match.path);
    if (dynamicMetadata === null || value === undefined || value === null)
      return matchIfKeyNotFound;
    return matches(dynamicMetadata);
  };
}

/** Throws ConfigError that names what is wrong. */
export function compileAccessLogFilter(
  config: AccessLogFilterConfig,
  environment: FilterEnvironment,
): AccessLogFilter {
  switch (config.kind) {
    case 'status_code': {
      const matches = comparison(config, environment);
      return ({ info }) => matches(info.responseCode);
    }
    case 'duration': {
      const matches = comparison(config, environment);
      return (entry) => matches(durationMs(entry));
    }
    case 'response_flag':
      return responseFlagFilter(config.flags);
    case 'not_health_check':
      return ({ info }) => !info.healthCheck;
    case 'header': {
      const matches = environment.headerMatcher(config.match);
      return ({ requestHeaders }) => matches(requestHeaders ?? NO_HEADERS);
    }
    case 'grpc_status': {
      const statuses = new Set(config.statuses);
      return (entry) => statuses.has(answeredGrpcStatus(entry) ?? 2) !== config.exclude;
    }
    case 'log_type': {
      const types = new Set(config.types);
      return ({ type }) => types.has(type) !== config.exclude;
    }
    case 'runtime':
      return runtimeFilter(config, environment);
    case 'metadata':
      return metadataFilter(config, environment);
    case 'and': {
      const filters = config.filters.map((inner) => compileAccessLogFilter(inner, environment));
      return (entry) => filters.every((filter) => filter(entry));
    }
    case 'or': {
      const filters = config.filters.map((inner) => compileAccessLogFilter(inner, environment));
      return (entry) => filters.some((filter) => filter(entry));
    }
    case 'inert':
      return () => true;
    case 'traceable':
      // Only what is traced by force.
      return ({ info }) => info.traceReason === TraceReason.Forced;
    default:
      return unreachable(config);
  }
}
