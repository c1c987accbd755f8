// [m] The arithmetic of success rates: which of many hosts do worse than the others (envoy-behaviour §7.9).

/** What one host did in one interval. */
export interface HostRate<H> {
  readonly host: H;
  /** 0 to 100. */
  readonly successRate: number;
  readonly volume: number;
}

export interface RateNumbers {
  /** Mean of the hosts looked at, and what a host must not be below; -1: there were too few hosts or requests. */
  readonly average: number;
  readonly threshold: number;
}

export const NO_RATES: RateNumbers = { average: -1, threshold: -1 };

/** `stdevFactor` in thousandths. The hosts are those with enough requests; there is at least one. */
export function rateNumbers<H>(rates: readonly HostRate<H>[], stdevFactor: number): RateNumbers {
  const average = rates.reduce((sum, { successRate }) => sum + successRate, 0) / rates.length;
  const variance =
    rates.reduce((sum, { successRate }) => sum + (successRate - average) ** 2, 0) / rates.length;
  return { average, threshold: average - (Math.sqrt(variance) * stdevFactor) / 1000 };
}
