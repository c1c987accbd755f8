// [m] Decodes envoy.config.core.v3.RetryPolicy: that of requests which the proxy sends itself.
import type { RetryPolicy } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type { RetryPolicyConfig } from '../config/route-config.ts';
import type { FieldReader } from './field-reader.ts';
import { retryConditions } from './retry-policy-decoder.ts';

const DEFAULT_RETRY_INTERVAL_MS = 1000;

/** As Envoy makes a route's of it: the longest pause is the time-out of each try, too. */
export function decodeCoreRetryPolicy(reader: FieldReader<RetryPolicy>): RetryPolicyConfig {
  reader.refuse('retry_priority');
  reader.refuse('retry_host_predicate');
  const backoff = reader.child('retry_back_off');
  const base = backoff?.positiveDurationMs('base_interval', DEFAULT_RETRY_INTERVAL_MS);
  const baseIntervalMs = base ?? DEFAULT_RETRY_INTERVAL_MS;
  const maxIntervalMs =
    backoff?.positiveDurationMs('max_interval', 10 * baseIntervalMs) ?? 10 * baseIntervalMs;
  if (maxIntervalMs < baseIntervalMs)
    backoff?.problem(
      'max_interval',
      'max_interval must be greater than or equal to the base_interval',
    );
  return {
    retryOn: retryConditions(reader.string('retry_on')),
    numRetries: reader.number('num_retries', 1),
    perTryTimeoutMs: backoff === undefined ? undefined : maxIntervalMs,
    perTryIdleTimeoutMs: undefined,
    baseIntervalMs,
    maxIntervalMs,
    retriableStatusCodes: [],
    retriableHeaders: [],
    retriableRequestHeaders: [],
    hostPredicates: [],
    hostSelectionRetryMaxAttempts: reader.number('host_selection_retry_max_attempts', 1),
    previousPrioritiesUpdateFrequency: undefined,
  };
}
