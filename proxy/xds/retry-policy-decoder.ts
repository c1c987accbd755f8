// [m] Decodes retry policies (envoy-behaviour §4, istio-contract §3.7).
import type {
  HedgePolicy,
  RetryPolicy,
  RetryPolicy_RateLimitedRetryBackOff,
  RetryPolicy_RetryBackOff,
  RetryPolicy_RetryHostPredicate,
} from '../../xds-protos/gen/envoy.config.route.v3.ts';
import type {
  RateLimitedBackoffConfig,
  RetryHostPredicateConfig,
  RetryPolicyConfig,
} from '../config/route-config.ts';
import type { FieldReader } from './field-reader.ts';
import { breaksHeader, decodeHeaderMatches } from './matcher-decoder.ts';
import { typedConfigOf } from './typed-config.ts';

/** Conditions Envoy knows (§4.2); other names in `retry_on` are ignored there and here. */
const CONDITIONS: ReadonlySet<string> = new Set([
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'refused-stream',
  'retriable-4xx',
  'retriable-status-codes',
  'retriable-headers',
  'envoy-ratelimited',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]);

const DEFAULT_BASE_INTERVAL_MS = 25;
const DEFAULT_RATE_LIMITED_MAX_MS = 300_000;
const RETRY_HOST = 'envoy.extensions.retry.host';
const OMIT_HOST_METADATA =
  'envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig';
const PREVIOUS_PRIORITIES =
  'envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig';

export function decodeRetryPolicy(reader: FieldReader<RetryPolicy>): RetryPolicyConfig {
  // Envoy has none to name here either.
  reader.refuse('retry_options_predicates');
  const limited = reader.child('rate_limited_retry_back_off');
  return {
    retryOn: retryConditions(reader.string('retry_on')),
    numRetries: reader.number('num_retries', 1),
    perTryTimeoutMs: unlessZero(reader.optionalDurationMs('per_try_timeout')),
    perTryIdleTimeoutMs: unlessZero(reader.optionalDurationMs('per_try_idle_timeout')),
    ...decodeBackoff(reader.child('retry_back_off')),
    retriableStatusCodes: reader.message.retriable_status_codes ?? [],
    retriableHeaders: decodeHeaderMatches(reader.children('retriable_headers')),
    retriableRequestHeaders: decodeHeaderMatches(reader.children('retriable_request_headers')),
    rateLimitedBackoff: limited && decodeRateLimited(limited),
    hostPredicates: reader
      .children('retry_host_predicate')
      .map(decodeHostPredicate)
      .filter((predicate) => predicate !== undefined),
    hostSelectionRetryMaxAttempts: reader.number('host_selection_retry_max_attempts', 1),
    previousPrioritiesUpdateFrequency: decodePriority(reader),
  };
}

/** Undefined where none is given: the level above decides. Envoy does nothing with the other two fields either. */
export function decodeHedgePolicy(
  reader: FieldReader<HedgePolicy> | undefined,
): boolean | undefined {
  reader?.number('initial_requests', 1, 1);
  return reader?.bool('hedge_on_per_try_timeout');
}

const unlessZero = (value: number | undefined): number | undefined =>
  value === 0 ? undefined : value;

/** Names Envoy does not know are left out. */
export const retryConditions = (retryOn: string): readonly string[] =>
  retryOn
    .split(',')
    .map((name) => name.trim())
    .filter((name) => CONDITIONS.has(name));

function decodeBackoff(reader: FieldReader<RetryPolicy_RetryBackOff> | undefined): {
  readonly baseIntervalMs: number;
  readonly maxIntervalMs: number;
  readonly defaultBackoff?: true;
} {
  if (reader === undefined) {
    return {
      baseIntervalMs: DEFAULT_BASE_INTERVAL_MS,
      maxIntervalMs: 10 * DEFAULT_BASE_INTERVAL_MS,
      defaultBackoff: true,
    };
  }
  if (!reader.has('base_interval')) reader.problem('base_interval', 'is required');
  // Envoy takes anything below a millisecond as one.
  const baseIntervalMs = Math.max(
    1,
    reader.positiveDurationMs('base_interval', DEFAULT_BASE_INTERVAL_MS),
  );
  const maxIntervalMs = reader.has('max_interval')
    ? Math.max(1, reader.positiveDurationMs('max_interval', 10 * baseIntervalMs))
    : 10 * baseIntervalMs;
  if (maxIntervalMs < baseIntervalMs) {
    reader.problem(
      'max_interval',
      'retry_policy.max_interval must greater than or equal to the base_interval',
    );
  }
  return { baseIntervalMs, maxIntervalMs };
}

function decodeRateLimited(
  reader: FieldReader<RetryPolicy_RateLimitedRetryBackOff>,
): RateLimitedBackoffConfig {
  const resetHeaders = reader.children('reset_headers').map((header) => {
    const name = header.requiredString('name').toLowerCase();
    if (breaksHeader(name)) header.problem('name', 'holds characters no header name can have');
    return { name, format: header.enumName('format', 'SECONDS') };
  });
  if (resetHeaders.length === 0) reader.problem('reset_headers', 'at least one is required');
  return {
    resetHeaders,
    maxIntervalMs: reader.positiveDurationMs('max_interval', DEFAULT_RATE_LIMITED_MAX_MS),
  };
}

function decodeHostPredicate(
  reader: FieldReader<RetryPolicy_RetryHostPredicate>,
): RetryHostPredicateConfig | undefined {
  const config = typedConfigOf(reader);
  switch (config?.typeName) {
    case undefined:
      return undefined;
    case `${RETRY_HOST}.previous_hosts.v3.PreviousHostsPredicate`:
      return { kind: 'previous_hosts' };
    case `${RETRY_HOST}.omit_canary_hosts.v3.OmitCanaryHostsPredicate`:
      return { kind: 'omit_canary_hosts' };
    case OMIT_HOST_METADATA: {
      const labels = config!
        .as(OMIT_HOST_METADATA)
        ?.message.metadata_match?.filter_metadata?.get('envoy.lb');
      const match = Object.entries(labels ?? {}).map(
        ([key, value]) => [key, JSON.stringify(value)] as const,
      );
      return { kind: 'omit_host_metadata', match: new Map(match) };
    }
    default:
      config!.unknown(reader.string('name'));
      return undefined;
  }
}

function decodePriority(reader: FieldReader<RetryPolicy>): number | undefined {
  const priority = reader.child('retry_priority');
  const config = priority && typedConfigOf(priority);
  if (config === undefined) return undefined;
  if (config.typeName === PREVIOUS_PRIORITIES) {
    return config.as(PREVIOUS_PRIORITIES)?.number('update_frequency', 1, 1);
  }
  config.unknown(priority!.string('name'));
  return undefined;
}
