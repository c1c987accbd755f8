// [m] Decodes the load balancing policy of a cluster (envoy-behaviour §7.6): the extension list, or the enum with its
// settings beside it.
import type { Cluster } from '../../xds-protos/gen/envoy.config.cluster.v3.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type {
  ConsistentHashingConfig,
  LoadBalancingPolicyConfig,
} from '../config/load-balancing-config.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeRingSizes, decodeTableSize } from './hash-table-decoder.ts';
import {
  decodeCommonLocality,
  decodeHashing,
  decodeRuntimeNumber,
  decodeSlowStart,
} from './load-balancing-settings-decoder.ts';
import { decodeSubset } from './subset-decoder.ts';

const policies = lazyPart<typeof import('./load-balancing-policy-decoder.ts')>(
  'xds/load-balancing-policy-decoder',
);

type Reader = FieldReader<Cluster>;

export function decodeLoadBalancing(reader: Reader): LoadBalancingPolicyConfig {
  checkHostnameHashing(reader);
  const list = reader.child('load_balancing_policy');
  if (list !== undefined) return policies().decodePolicyList(list, reader.string('name'));
  const policy = decodeEnum(reader);
  const subset = reader.child('lb_subset_config');
  if (subset === undefined || subset.children('subset_selectors').length === 0) return policy;
  if (policy.kind === 'cluster_provided') {
    subset.problem(
      '',
      'cluster: LB policy CLUSTER_PROVIDED cannot be combined with lb_subset_config',
    );
  }
  const weighted = reader.message.common_lb_config?.locality_weighted_lb_config !== undefined;
  if (subset.bool('locality_weight_aware') && !weighted) {
    subset.problem(
      'locality_weight_aware',
      `Locality weight aware subset LB requires that a locality_weighted_lb_config be set in ${reader.string('name')}`,
    );
  }
  return decodeSubset(subset, policy, false);
}

function decodeEnum(reader: Reader): LoadBalancingPolicyConfig {
  const locality = decodeCommonLocality(reader.child('common_lb_config'));
  switch (reader.enumName('lb_policy', 'ROUND_ROBIN')) {
    case 'ROUND_ROBIN': {
      const settings = reader.child('round_robin_lb_config');
      const slowStart = decodeSlowStart(settings?.child('slow_start_config'));
      return { kind: 'round_robin', slowStart, locality };
    }
    case 'LEAST_REQUEST': {
      const settings = reader.child('least_request_lb_config');
      return {
        kind: 'least_request',
        choiceCount: settings?.number('choice_count', 2, 2) ?? 2,
        activeRequestBias: decodeRuntimeNumber(settings?.child('active_request_bias')),
        slowStart: decodeSlowStart(settings?.child('slow_start_config')),
        locality,
      };
    }
    case 'RING_HASH': {
      const settings = reader.child('ring_hash_lb_config');
      const murmur = settings?.enumName('hash_function', 'XX_HASH') === 'MURMUR_HASH_2';
      return {
        kind: 'ring_hash',
        ...decodeRingSizes(settings),
        hashFunction: murmur ? 'murmur_hash_2' : 'xx_hash',
        ...hashing(reader),
      };
    }
    case 'RANDOM':
      return { kind: 'random', locality };
    case 'MAGLEV': {
      const tableSize = decodeTableSize(reader.child('maglev_lb_config'));
      return { kind: 'maglev', tableSize, ...hashing(reader) };
    }
    case 'CLUSTER_PROVIDED':
      return { kind: 'cluster_provided' };
    case 'LOAD_BALANCING_POLICY_CONFIG':
      reader.problem(
        'load_balancing_policy',
        'is required with lb_policy LOAD_BALANCING_POLICY_CONFIG',
      );
      return { kind: 'round_robin' };
  }
}

function hashing(reader: Reader): ConsistentHashingConfig {
  const common = reader.child('common_lb_config');
  const settings = common?.child('consistent_hashing_lb_config');
  return decodeHashing(settings, common?.has('locality_weighted_lb_config') ?? false);
}

const STRICT_DNS = 'envoy.cluster.strict_dns';

/** Only there hosts have names of their own. */
function checkHostnameHashing(reader: Reader): void {
  const hashing = reader.child('common_lb_config')?.child('consistent_hashing_lb_config');
  if (hashing?.bool('use_hostname_for_hashing') !== true) return;
  const custom = reader.message.cluster_type?.name;
  const type = custom ?? `envoy.cluster.${reader.enumName('type', 'STATIC').toLowerCase()}`;
  if (type === STRICT_DNS) return;
  hashing.problem(
    'use_hostname_for_hashing',
    `Cannot use hostname for consistent hashing loadbalancing for cluster of type: '${type}'`,
  );
}
