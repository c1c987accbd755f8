// [w] Router.strict_check_headers: requests with unusable x-envoy values are refused (envoy-behaviour §3.8).
import type { RequestHeaders } from '../http/header-map.ts';
import { headerName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import { unsignedInteger } from '../http/unsigned-integer.ts';
import { allRetryGrpcOnKnown, allRetryOnKnown } from './retry-policy.ts';

export interface StrictCheck {
  readonly name: HeaderName;
  readonly valid: (value: string) => boolean;
}

const isUint = (value: string): boolean => !Number.isNaN(unsignedInteger(value));

const CHECKS = new Map<string, (value: string) => boolean>([
  ['x-envoy-upstream-rq-timeout-ms', isUint],
  ['x-envoy-upstream-rq-per-try-timeout-ms', isUint],
  ['x-envoy-max-retries', isUint],
  ['x-envoy-retry-on', allRetryOnKnown],
  ['x-envoy-retry-grpc-on', allRetryGrpcOnKnown],
]);

export function strictChecks(names: readonly string[]): readonly StrictCheck[] {
  const checks: StrictCheck[] = [];
  for (const name of names) {
    const valid = CHECKS.get(name);
    if (valid !== undefined) checks.push({ name: headerName(name), valid });
  }
  return checks;
}

/** Name of the first header whose value cannot be used; undefined when all can. */
export function firstInvalidHeader(
  checks: readonly StrictCheck[],
  headers: RequestHeaders,
): HeaderName | undefined {
  for (const check of checks) {
    const value = headers.get(check.name);
    if (value !== undefined && !check.valid(value)) return check.name;
  }
  return undefined;
}
