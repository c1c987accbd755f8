// [m] Decodes the load balancing policy of a cluster: the enum with its settings, or the extension list (envoy-behaviour §7.6).
import type { Cluster } from '../../xds-protos/gen/envoy.config.cluster.v3.ts';
import type { LoadBalancingPolicyConfig } from '../config/cluster-config.ts';
import type { FieldReader } from './field-reader.ts';
import { typedConfigOf } from './typed-config.ts';
import type { TypedConfig } from './typed-config.ts';

const ROUND_ROBIN: LoadBalancingPolicyConfig = { kind: 'round_robin' };
const POLICIES = 'envoy.extensions.load_balancing_policies';
const LEAST_REQUEST = `${POLICIES}.least_request.v3.LeastRequest` as const;

/** Policies without settings that this version reads. */
const PLAIN: ReadonlyMap<string, LoadBalancingPolicyConfig> = new Map<
  string,
  LoadBalancingPolicyConfig
>([
  [`${POLICIES}.round_robin.v3.RoundRobin`, ROUND_ROBIN],
  [`${POLICIES}.random.v3.Random`, { kind: 'random' }],
  [`${POLICIES}.ring_hash.v3.RingHash`, { kind: 'ring_hash' }],
  [`${POLICIES}.maglev.v3.Maglev`, { kind: 'maglev' }],
  [`${POLICIES}.cluster_provided.v3.ClusterProvided`, { kind: 'cluster_provided' }],
]);

export function decodeLoadBalancing(reader: FieldReader<Cluster>): LoadBalancingPolicyConfig {
  reader.refuse('lb_subset_config');
  if (reader.has('load_balancing_policy')) return decodePolicyList(reader);
  switch (reader.enumName('lb_policy', 'ROUND_ROBIN')) {
    case 'ROUND_ROBIN':
      return ROUND_ROBIN;
    case 'LEAST_REQUEST':
      return {
        kind: 'least_request',
        choiceCount: reader.child('least_request_lb_config')?.number('choice_count', 2, 2) ?? 2,
      };
    case 'RING_HASH':
      return { kind: 'ring_hash' };
    case 'RANDOM':
      return { kind: 'random' };
    case 'MAGLEV':
      return { kind: 'maglev' };
    case 'CLUSTER_PROVIDED':
      return { kind: 'cluster_provided' };
    case 'LOAD_BALANCING_POLICY_CONFIG':
      reader.problem(
        'load_balancing_policy',
        'is required with lb_policy LOAD_BALANCING_POLICY_CONFIG',
      );
      return ROUND_ROBIN;
  }
}

/** The first supported one of the list is used. */
function decodePolicyList(reader: FieldReader<Cluster>): LoadBalancingPolicyConfig {
  const seen: string[] = [];
  for (const policy of reader.child('load_balancing_policy')!.children('policies')) {
    const extension = policy.required('typed_extension_config');
    const config = extension && typedConfigOf(extension);
    const known = config && knownPolicy(config);
    if (known !== undefined) return known;
    seen.push(config?.typeName ?? '');
  }
  reader.problem('load_balancing_policy', `no supported policy in the list [${seen.join(', ')}]`);
  return ROUND_ROBIN;
}

function knownPolicy(config: TypedConfig): LoadBalancingPolicyConfig | undefined {
  if (config.typeName !== LEAST_REQUEST) return PLAIN.get(config.typeName);
  return {
    kind: 'least_request',
    choiceCount: config.as(LEAST_REQUEST)?.number('choice_count', 2, 2) ?? 2,
  };
}

/** Parts of a policy's settings that do nothing yet, for dumps. */
export function inertLoadBalancing(reader: FieldReader<Cluster>): readonly string[] {
  const { message } = reader;
  const parts: string[] = [];
  if (message.common_lb_config?.locality_weighted_lb_config !== undefined)
    parts.push('locality_weighted_lb_config');
  if (message.common_lb_config?.zone_aware_lb_config !== undefined)
    parts.push('zone_aware_lb_config');
  const slowStart =
    message.least_request_lb_config?.slow_start_config ??
    message.round_robin_lb_config?.slow_start_config;
  if (slowStart !== undefined) parts.push('slow_start_config');
  if (message.ring_hash_lb_config !== undefined) parts.push('ring_hash_lb_config');
  if (message.maglev_lb_config !== undefined) parts.push('maglev_lb_config');
  return parts;
}
