// [m] Decodes subset load balancing (envoy-behaviour §7.7): `lb_subset_config` and the extension say it in the same words.
import type {
  Subset,
  Subset_LbSubsetSelector,
} from '../../xds-protos/gen/envoy.extensions.load_balancing_policies.subset.v3.ts';
import { canonicalText } from '../config/canonical-value.ts';
import type {
  LoadBalancingPolicyConfig,
  SubsetConfig,
  SubsetSelectorConfig,
} from '../config/load-balancing-config.ts';
import type { FieldReader } from './field-reader.ts';

const FALLBACKS = {
  NO_FALLBACK: 'no_fallback',
  ANY_ENDPOINT: 'any_endpoint',
  DEFAULT_SUBSET: 'default_subset',
} as const;
const SELECTOR_FALLBACKS = {
  ...FALLBACKS,
  NOT_DEFINED: undefined,
  KEYS_SUBSET: 'keys_subset',
} as const;

/** All but the policy of the subsets, and what only the extension has. */
export type SubsetReader = FieldReader<Omit<Subset, 'subset_lb_policy' | 'allow_redundant_keys'>>;

export function decodeSubset(
  reader: SubsetReader,
  child: LoadBalancingPolicyConfig,
  allowRedundantKeys: boolean,
): SubsetConfig {
  const defaults = Object.entries(reader.message.default_subset ?? {});
  return {
    kind: 'subset',
    fallback: FALLBACKS[reader.enumName('fallback_policy', 'NO_FALLBACK')],
    defaultSubset: new Map(defaults.map(([key, value]) => [key, canonicalText(value)])),
    selectors: reader.children('subset_selectors').map(decodeSelector),
    localityWeightAware: reader.bool('locality_weight_aware'),
    scaleLocalityWeight: reader.bool('scale_locality_weight'),
    panicModeAny: reader.bool('panic_mode_any'),
    listAsAny: reader.bool('list_as_any'),
    fallbackList:
      reader.enumName('metadata_fallback_policy', 'METADATA_NO_FALLBACK') === 'FALLBACK_LIST',
    allowRedundantKeys,
    child,
  };
}

function decodeSelector(reader: FieldReader<Subset_LbSubsetSelector>): SubsetSelectorConfig {
  const keys = new Set(reader.message.keys);
  const fallbackKeys = new Set(reader.message.fallback_keys_subset);
  const fallback = SELECTOR_FALLBACKS[reader.enumName('fallback_policy', 'NOT_DEFINED')];
  if (fallback === 'keys_subset') {
    const outside = [...fallbackKeys].some((key) => !keys.has(key));
    if (fallbackKeys.size === 0)
      reader.problem('fallback_keys_subset', 'fallback_keys_subset cannot be empty');
    else if (outside) {
      reader.problem(
        'fallback_keys_subset',
        'fallback_keys_subset must be a subset of selector keys',
      );
    } else if (fallbackKeys.size === keys.size)
      reader.problem('fallback_keys_subset', 'fallback_keys_subset cannot be equal to keys');
  }
  return {
    keys: [...keys].toSorted(),
    fallback,
    fallbackKeys: [...fallbackKeys].toSorted(),
    singleHost: reader.bool('single_host_per_subset'),
  };
}
