// [w] WeightedClusters: the split of a route's requests (envoy-behaviour §3.3).
import type { ClusterSpecifierConfig, WeightedClusterConfig } from '../config/route-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { headerName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import { ConfigError } from '../config/config-error.ts';
import type { CookieSink, HashPolicy } from './hash-policy.ts';
import type { RouteEnvironment } from './route-environment.ts';

const MAX_UINT64 = '18446744073709551615';
const MAX_TOTAL = 0xffffffff;

/** A choice is no place for a cookie: the balancer's hash sets it. */
const NO_COOKIES: CookieSink = { addSetCookie: () => undefined };

export type WeightedClustersConfig = ClusterSpecifierConfig & { readonly kind: 'weighted' };

export class WeightedClusters {
  readonly #weights: readonly number[];
  readonly #total: number;
  readonly #header: HeaderName | null;
  readonly #hashPolicy: HashPolicy | null;

  /** `hashPolicy` of the route. Throws ConfigError with `place` when there is no weight. */
  constructor(
    config: WeightedClustersConfig,
    hashPolicy: HashPolicy | null,
    environment: RouteEnvironment,
    place: string,
  ) {
    const { headerName: name, runtimeKeyPrefix: prefix } = config;
    const weight = (cluster: WeightedClusterConfig): number =>
      prefix === undefined || prefix === ''
        ? cluster.weight
        : environment.runtime.integer(`${prefix}.${cluster.name}`, cluster.weight);
    this.#weights = config.clusters.map(weight);
    this.#total = this.#weights.reduce((sum, each) => sum + each, 0);
    if (this.#total <= 0 || this.#total > MAX_TOTAL) {
      const message =
        this.#total <= 0
          ? 'Sum of weights in the weighted_cluster must be greater than 0.'
          : `The sum of weights of all weighted clusters exceeds ${MAX_TOTAL}`;
      throw new ConfigError([{ path: place, message }]);
    }
    this.#header = name === undefined || name === '' ? null : headerName(name);
    this.#hashPolicy = config.useHashPolicy === true ? hashPolicy : null;
  }

  /** Index into `clusters`. */
  pick(headers: RequestHeaders, info: StreamInfo): number {
    let selected = this.#selected(headers, info);
    const weights = this.#weights;
    const last = weights.length - 1;
    for (let i = 0; i < last; i++) {
      const weight = weights[i]!;
      if (selected < weight) return i;
      selected -= weight;
    }
    return last;
  }

  #selected(headers: RequestHeaders, info: StreamInfo): number {
    if (this.#header !== null) {
      const text = headers.getAny(this.#header);
      const value = text === undefined ? -1 : uint64Modulo(text, this.#total);
      if (value >= 0 && headers.getAll(this.#header).length === 1) return value;
    }
    if (this.#hashPolicy !== null) {
      const hash = this.#hashPolicy.key(headers, info, NO_COOKIES);
      if (hash !== undefined) return Number(hash % BigInt(this.#total));
    }
    return info.streamRandom % this.#total;
  }
}

/** A decimal uint64 (a plus sign may stand before it) modulo `divisor` (below 2^32), -1 when the text is none. */
export function uint64Modulo(text: string, divisor: number): number {
  const digits = text.startsWith('+') ? text.slice(1) : text;
  if (digits.length === 0 || digits.length > 20) return -1;
  let remainder = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    remainder = (remainder * 10 + digit) % divisor;
  }
  return digits.length === 20 && digits > MAX_UINT64 ? -1 : remainder;
}
