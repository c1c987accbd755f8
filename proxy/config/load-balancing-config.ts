// [b] Load balancing policies as plain data (envoy.config.cluster.v3, envoy.extensions.load_balancing_policies;
// defaults from envoy-behaviour §7.4 to §7.7).

/** A number that a runtime key may replace; '' : no key. */
export interface RuntimeNumberConfig {
  readonly runtimeKey: string;
  readonly value: number;
}

/** New hosts get their share little by little. */
export interface SlowStartConfig {
  readonly windowMs: number;
  /** Above 1: steeper at first; default 1, a line. */
  readonly aggression: RuntimeNumberConfig;
  /** What a host begins with; default 10. */
  readonly minWeightPercent: number;
}

export interface ZoneAwareConfig {
  readonly kind: 'zone_aware';
  /** Default 100. */
  readonly routingEnabledPercent: number;
  /** Fewer healthy hosts than this are shared by all zones; default 6. */
  readonly minClusterSize: number;
  readonly failTrafficOnPanic: boolean;
  /** With so many hosts in the own zone all requests stay there; undefined: by their shares. */
  readonly forceLocalMinSize: number | undefined;
  /** Shares are of healthy hosts, or of their weights. */
  readonly byWeight: boolean;
}

/** What holds where there is a local cluster, and nothing is said of localities. */
export const DEFAULT_ZONE_AWARE: ZoneAwareConfig = {
  kind: 'zone_aware',
  routingEnabledPercent: 100,
  minClusterSize: 6,
  failTrafficOnPanic: false,
  forceLocalMinSize: undefined,
  byWeight: false,
};

/** Absent: DEFAULT_ZONE_AWARE. */
export type LocalityPolicyConfig = ZoneAwareConfig | { readonly kind: 'weighted' };

export interface ConsistentHashingConfig {
  /** Hosts are hashed by name instead of address. */
  readonly useHostname: boolean;
  /** Percent of the mean load that a host may have; 0: any. */
  readonly balanceFactor: number;
  /** Weights of localities count. */
  readonly localityWeighted: boolean;
}

export interface RoundRobinConfig {
  readonly kind: 'round_robin';
  readonly slowStart?: SlowStartConfig | undefined;
  readonly locality?: LocalityPolicyConfig | undefined;
}

export interface LeastRequestConfig {
  readonly kind: 'least_request';
  /** Best of that many random hosts; default 2. */
  readonly choiceCount: number;
  /** Looks at all hosts instead. */
  readonly fullScan?: boolean | undefined;
  /** How much the load counts against unequal weights; default 1. */
  readonly activeRequestBias?: RuntimeNumberConfig | undefined;
  readonly slowStart?: SlowStartConfig | undefined;
  readonly locality?: LocalityPolicyConfig | undefined;
}

export interface RandomConfig {
  readonly kind: 'random';
  readonly locality?: LocalityPolicyConfig | undefined;
}

export interface RingHashConfig extends ConsistentHashingConfig {
  readonly kind: 'ring_hash';
  /** Default 1024. */
  readonly minRingSize: number;
  /** Default 8 388 608. */
  readonly maxRingSize: number;
  readonly hashFunction: 'xx_hash' | 'murmur_hash_2';
}

export interface MaglevConfig extends ConsistentHashingConfig {
  readonly kind: 'maglev';
  /** A prime; default 65 537. */
  readonly tableSize: number;
}

/** Weights are what hosts report of themselves in their answers (ORCA load reports). */
export interface ClientSideWeightedConfig {
  readonly kind: 'client_side_weighted';
  readonly blackoutPeriodMs: number;
  readonly expirationPeriodMs: number;
  readonly updatePeriodMs: number;
  readonly errorUtilizationPenalty: number;
  /** As in `named_metrics.x`: of these the highest counts, where the application says nothing; then the CPU. */
  readonly metricNames: readonly string[];
  readonly slowStart?: SlowStartConfig | undefined;
  readonly locality?: LocalityPolicyConfig | undefined;
}

export type SubsetFallback = 'no_fallback' | 'any_endpoint' | 'default_subset';

export interface SubsetSelectorConfig {
  /** Sorted, without duplicates. */
  readonly keys: readonly string[];
  /** Undefined: the one of the whole. */
  readonly fallback: SubsetFallback | 'keys_subset' | undefined;
  /** For `keys_subset`: what of the keys is tried instead. */
  readonly fallbackKeys: readonly string[];
  readonly singleHost: boolean;
}

export interface SubsetConfig {
  readonly kind: 'subset';
  readonly fallback: SubsetFallback;
  /** Canonical text by key. */
  readonly defaultSubset: ReadonlyMap<string, string>;
  readonly selectors: readonly SubsetSelectorConfig[];
  readonly localityWeightAware: boolean;
  readonly scaleLocalityWeight: boolean;
  readonly panicModeAny: boolean;
  /** A host is in the subsets of each element of its lists. */
  readonly listAsAny: boolean;
  /** Metadata `fallback_list` of a request is tried in turn. */
  readonly fallbackList: boolean;
  /** Criteria may have keys that no selector has. */
  readonly allowRedundantKeys: boolean;
  readonly child: LoadBalancingPolicyConfig;
}

export interface OverrideHostConfig {
  readonly kind: 'override_host';
  /** Where a request names hosts, in the order in which they are tried. */
  readonly sources: readonly (
    | { readonly kind: 'header'; readonly name: string }
    | { readonly kind: 'metadata'; readonly namespace: string; readonly path: readonly string[] }
  )[];
  readonly child: LoadBalancingPolicyConfig;
}

export type LoadBalancingPolicyConfig =
  | RoundRobinConfig
  | LeastRequestConfig
  | RandomConfig
  | RingHashConfig
  | MaglevConfig
  | ClientSideWeightedConfig
  | SubsetConfig
  | OverrideHostConfig
  | { readonly kind: 'cluster_provided' };
