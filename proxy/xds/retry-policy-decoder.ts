// [m] Decodes retry policies (envoy-behaviour §4, istio-contract §3.7).
import type {
  RetryPolicy,
  RetryPolicy_RetryBackOff,
} from '../../xds-protos/gen/envoy.config.route.v3.ts';
import type { RetryPolicyConfig } from '../config/route-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeHeaderMatches } from './matcher-decoder.ts';
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
const PREVIOUS_HOSTS = 'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate';
const PREVIOUS_PRIORITIES =
  'envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig';

export function decodeRetryPolicy(reader: FieldReader<RetryPolicy>): RetryPolicyConfig {
  reader.refuse('retry_options_predicates');
  return {
    retryOn: conditions(reader.string('retry_on')),
    numRetries: reader.number('num_retries', 1),
    perTryTimeoutMs: unlessZero(reader.optionalDurationMs('per_try_timeout')),
    perTryIdleTimeoutMs: unlessZero(reader.optionalDurationMs('per_try_idle_timeout')),
    ...decodeBackoff(reader.child('retry_back_off')),
    retriableStatusCodes: reader.message.retriable_status_codes ?? [],
    retriableHeaders: decodeHeaderMatches(reader.children('retriable_headers')),
    retriableRequestHeaders: decodeHeaderMatches(reader.children('retriable_request_headers')),
    avoidPreviousHosts: decodeHostPredicates(reader),
    hostSelectionRetryMaxAttempts: reader.number('host_selection_retry_max_attempts', 1),
    previousPrioritiesUpdateFrequency: decodePriority(reader),
  };
}

const unlessZero = (value: number | undefined): number | undefined =>
  value === 0 ? undefined : value;

const conditions = (retryOn: string): readonly string[] =>
  retryOn
    .split(',')
    .map((name) => name.trim())
    .filter((name) => CONDITIONS.has(name));

function decodeBackoff(reader: FieldReader<RetryPolicy_RetryBackOff> | undefined): {
  readonly baseIntervalMs: number;
  readonly maxIntervalMs: number;
} {
  if (reader === undefined) {
    return {
      baseIntervalMs: DEFAULT_BASE_INTERVAL_MS,
      maxIntervalMs: 10 * DEFAULT_BASE_INTERVAL_MS,
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

function decodeHostPredicates(reader: FieldReader<RetryPolicy>): boolean {
  let avoidPreviousHosts = false;
  for (const predicate of reader.children('retry_host_predicate')) {
    const config = typedConfigOf(predicate);
    if (config === undefined) continue;
    if (config.typeName === PREVIOUS_HOSTS) avoidPreviousHosts = true;
    else config.unknown(predicate.string('name'));
  }
  return avoidPreviousHosts;
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
