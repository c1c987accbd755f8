// [w] The x-ratelimit headers that tell of a rate limit service's limits (draft-polli-ratelimit-headers-03).
import type { HeaderText, LimitStatus } from './rate-limit-messages.ts';

/** Of the limit that leaves the fewest requests; `limit` names them all. None without limits. */
export function rateLimitHeaders(statuses: readonly LimitStatus[]): readonly HeaderText[] {
  let tightest = statuses[0];
  if (tightest === undefined) return [];
  let policies = '';
  for (const status of statuses) {
    if (status.remaining < tightest.remaining) tightest = status;
    if (status.windowSeconds > 0) policies += policy(status);
  }
  return [
    ['x-ratelimit-limit', `${tightest.requestsPerUnit}${policies}`],
    ['x-ratelimit-remaining', String(tightest.remaining)],
    ['x-ratelimit-reset', String(tightest.resetSeconds)],
  ];
}

function policy({ requestsPerUnit, windowSeconds, name }: LimitStatus): string {
  const named = name === '' ? '' : `;name="${name}"`;
  return `, ${requestsPerUnit};w=${windowSeconds}${named}`;
}
