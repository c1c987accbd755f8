// [m] Decodes load balancing policies that come as extensions (envoy-behaviour §7.6): the first supported one of a list
// counts, some have a list inside.
import type { LoadBalancingPolicy } from '../../xds-protos/gen/envoy.config.cluster.v3.ts';
import type { OverrideHost } from '../../xds-protos/gen/envoy.extensions.load_balancing_policies.override_host.v3.ts';
import type {
  LoadBalancingPolicyConfig,
  OverrideHostConfig,
} from '../config/load-balancing-config.ts';
import type { FieldReader } from './field-reader.ts';
import {
  decodeHashing,
  decodeLocality,
  decodeRuntimeNumber,
  decodeSlowStart,
} from './load-balancing-settings-decoder.ts';
import { decodeRingSizes, decodeTableSize } from './hash-table-decoder.ts';
import { decodeSubset } from './subset-decoder.ts';
import { typedConfigOf } from './typed-config.ts';
import type { TypedConfig } from './typed-config.ts';

const POLICIES = 'envoy.extensions.load_balancing_policies';
const ROUND_ROBIN: LoadBalancingPolicyConfig = { kind: 'round_robin' };
/** Policies in policies: a configuration has two or three. */
const MAX_DEPTH = 8;

const DEFAULT_BLACKOUT_MS = 10_000;
const DEFAULT_EXPIRATION_MS = 180_000;
const DEFAULT_UPDATE_MS = 1000;
const MIN_UPDATE_MS = 100;

/** `where`: the field that holds the list. */
export function decodePolicyList(
  reader: FieldReader<LoadBalancingPolicy>,
  clusterName: string,
  depth = 0,
): LoadBalancingPolicyConfig {
  const seen: string[] = [];
  if (depth > MAX_DEPTH) {
    reader.problem('policies', `is nested deeper than ${MAX_DEPTH}`);
    return ROUND_ROBIN;
  }
  for (const policy of reader.children('policies')) {
    const extension = policy.required('typed_extension_config');
    const config = extension && typedConfigOf(extension);
    const known = config && decodePolicy(config, clusterName, depth);
    if (known !== undefined) return known;
    seen.push(extension?.string('name') ?? '');
  }
  reader.problem(
    'policies',
    `cluster: didn't find a registered load balancer factory implementation for cluster: '${clusterName}' with names from [${seen.join(', ')}]`,
  );
  return ROUND_ROBIN;
}

/** Undefined: not one of ours. */
function decodePolicy(
  config: TypedConfig,
  clusterName: string,
  depth: number,
): LoadBalancingPolicyConfig | undefined {
  switch (config.typeName) {
    case `${POLICIES}.subset.v3.Subset`:
      return subset(config, clusterName, depth);
    case `${POLICIES}.override_host.v3.OverrideHost`:
      return overrideHost(config, clusterName, depth);
    case `${POLICIES}.wrr_locality.v3.WrrLocality`: {
      const inner = config.as(`${POLICIES}.wrr_locality.v3.WrrLocality`);
      const picking = inner?.required('endpoint_picking_policy');
      const child =
        picking === undefined ? ROUND_ROBIN : decodePolicyList(picking, clusterName, depth + 1);
      if (child.kind === 'client_side_weighted')
        return { ...child, locality: { kind: 'weighted' } };
      config.problem(
        'Currently WrrLocalityLoadBalancer only supports ClientSideWeightedRoundRobinLoadBalancer as its endpoint picking policy.',
      );
      return child;
    }
    default:
      return decodeLeaf(config);
  }
}

function decodeLeaf(config: TypedConfig): LoadBalancingPolicyConfig | undefined {
  switch (config.typeName) {
    case `${POLICIES}.round_robin.v3.RoundRobin`: {
      const settings = config.as(`${POLICIES}.round_robin.v3.RoundRobin`);
      const slowStart = decodeSlowStart(settings?.child('slow_start_config'));
      const locality = decodeLocality(settings?.child('locality_lb_config'));
      return { kind: 'round_robin', slowStart, locality };
    }
    case `${POLICIES}.least_request.v3.LeastRequest`:
      return leastRequest(config);
    case `${POLICIES}.random.v3.Random`: {
      const settings = config.as(`${POLICIES}.random.v3.Random`);
      return { kind: 'random', locality: decodeLocality(settings?.child('locality_lb_config')) };
    }
    case `${POLICIES}.ring_hash.v3.RingHash`:
      return ringHash(config);
    case `${POLICIES}.maglev.v3.Maglev`: {
      const settings = config.as(`${POLICIES}.maglev.v3.Maglev`);
      const hashing = settings?.child('consistent_hashing_lb_config');
      const weighted = settings?.has('locality_weighted_lb_config') ?? false;
      const tableSize = decodeTableSize(settings);
      return { kind: 'maglev', tableSize, ...decodeHashing(hashing, weighted) };
    }
    case `${POLICIES}.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin`:
      return clientSideWeighted(config);
    case `${POLICIES}.cluster_provided.v3.ClusterProvided`:
      return { kind: 'cluster_provided' };
    default:
      return undefined;
  }
}

function leastRequest(config: TypedConfig): LoadBalancingPolicyConfig {
  const settings = config.as(`${POLICIES}.least_request.v3.LeastRequest`);
  const method = settings?.enumName('selection_method', 'N_CHOICES');
  return {
    kind: 'least_request',
    choiceCount: settings?.number('choice_count', 2, 2) ?? 2,
    fullScan: method === 'FULL_SCAN' || settings?.bool('enable_full_scan') === true,
    activeRequestBias: decodeRuntimeNumber(settings?.child('active_request_bias')),
    slowStart: decodeSlowStart(settings?.child('slow_start_config')),
    locality: decodeLocality(settings?.child('locality_lb_config')),
  };
}

function ringHash(config: TypedConfig): LoadBalancingPolicyConfig {
  const settings = config.as(`${POLICIES}.ring_hash.v3.RingHash`);
  const weighted = settings?.has('locality_weighted_lb_config') ?? false;
  const common = settings?.child('consistent_hashing_lb_config');
  const hashing = decodeHashing(common, weighted);
  const murmur = settings?.enumName('hash_function', 'XX_HASH') === 'MURMUR_HASH_2';
  return {
    kind: 'ring_hash',
    ...decodeRingSizes(settings),
    hashFunction: murmur ? 'murmur_hash_2' : 'xx_hash',
    ...hashing,
    // Before there was a message for both.
    ...(common === undefined && {
      useHostname: settings?.bool('use_hostname_for_hashing') ?? false,
      balanceFactor: settings?.number('hash_balance_factor', 0, 100) ?? 0,
    }),
  };
}

function clientSideWeighted(config: TypedConfig): LoadBalancingPolicyConfig {
  const settings = config.as(
    `${POLICIES}.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin`,
  );
  settings?.refuse('enable_oob_load_report');
  const ms = (
    field: 'blackout_period' | 'weight_expiration_period' | 'weight_update_period',
    fallback: number,
  ): number => settings?.durationMs(field, fallback) ?? fallback;
  return {
    kind: 'client_side_weighted',
    blackoutPeriodMs: ms('blackout_period', DEFAULT_BLACKOUT_MS),
    expirationPeriodMs: ms('weight_expiration_period', DEFAULT_EXPIRATION_MS),
    updatePeriodMs: Math.max(MIN_UPDATE_MS, ms('weight_update_period', DEFAULT_UPDATE_MS)),
    errorUtilizationPenalty: settings?.number('error_utilization_penalty', 0) ?? 0,
    metricNames: settings?.message.metric_names_for_computing_utilization ?? [],
    slowStart: decodeSlowStart(settings?.child('slow_start_config')),
    locality: decodeLocality(undefined),
  };
}

function subset(
  config: TypedConfig,
  clusterName: string,
  depth: number,
): LoadBalancingPolicyConfig {
  const settings = config.as(`${POLICIES}.subset.v3.Subset`);
  if (settings === undefined) return ROUND_ROBIN;
  const list = settings.required('subset_lb_policy');
  const child = list === undefined ? ROUND_ROBIN : decodePolicyList(list, clusterName, depth + 1);
  return decodeSubset(settings, child, settings.bool('allow_redundant_keys'));
}

function overrideHost(
  config: TypedConfig,
  clusterName: string,
  depth: number,
): LoadBalancingPolicyConfig {
  const settings = config.as(`${POLICIES}.override_host.v3.OverrideHost`);
  settings?.refuse('selected_host_key');
  const list = settings?.required('fallback_policy');
  const child = list === undefined ? ROUND_ROBIN : decodePolicyList(list, clusterName, depth + 1);
  return {
    kind: 'override_host',
    sources: settings === undefined ? [] : overrideSources(settings),
    child,
  };
}

function overrideSources(settings: FieldReader<OverrideHost>): OverrideHostConfig['sources'] {
  const readers = settings.children('override_host_sources');
  if (readers.length === 0) settings.problem('override_host_sources', 'at least one is required');
  return readers.map((source) => {
    const name = source.nonEmpty('header');
    const metadata = source.child('metadata');
    if ((name === undefined) === (metadata === undefined))
      source.problem('', 'one of header, metadata is required, not both');
    if (metadata === undefined) return { kind: 'header', name: (name ?? '').toLowerCase() };
    const path = metadata.children('path').map((segment) => segment.requiredString('key'));
    return { kind: 'metadata', namespace: metadata.requiredString('key'), path };
  });
}
