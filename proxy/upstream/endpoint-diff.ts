// [m] What differs between two assignments of one cluster: for its counters, and so that workers are told of nothing else.
import type {
  ClusterEndpointsConfig,
  EndpointChangesConfig,
  EndpointConfig,
  LocalityEndpointsConfig,
} from '../config/endpoint-config.ts';
import { addressText } from './host.ts';
import { sameSocketLabels } from './transport-socket-choice.ts';

export interface EndpointDiff {
  /** Priorities to which a host came or from which one went. */
  readonly membershipChanges: number;
  /** Nothing that a worker could see is different. */
  readonly same: boolean;
  /** Hosts that came or changed, by locality; a locality whose weight changed is there without hosts. */
  readonly put: readonly LocalityEndpointsConfig[];
  /** Addresses of hosts that went. */
  readonly removed: readonly string[];
}

interface Placed {
  readonly endpoint: EndpointConfig;
  readonly locality: LocalityEndpointsConfig;
}

/** The same address listed twice: the first one wins, wherever it stands (envoy-behaviour §7.1). */
export function withoutDuplicates(
  localities: readonly LocalityEndpointsConfig[],
): readonly LocalityEndpointsConfig[] {
  const seen = new Set<string>();
  let count = 0;
  for (const { endpoints } of localities) {
    count += endpoints.length;
    for (const endpoint of endpoints) seen.add(addressText(endpoint.address));
  }
  if (seen.size === count) return localities;
  seen.clear();
  return localities.map((locality) => ({
    ...locality,
    endpoints: locality.endpoints.filter((endpoint) => {
      const text = addressText(endpoint.address);
      if (seen.has(text)) return false;
      seen.add(text);
      return true;
    }),
  }));
}

/** Both without duplicates; `before` undefined: there was nothing. */
export function diffEndpoints(
  before: ClusterEndpointsConfig | undefined,
  after: ClusterEndpointsConfig,
): EndpointDiff {
  const gone = placesOf(before?.localities ?? []);
  const weights = weightsOf(before?.localities ?? []);
  const priorities = new Set<number>();
  const put: LocalityEndpointsConfig[] = [];
  for (const locality of after.localities) {
    const endpoints = takeChanged(locality, gone, priorities);
    const key = placeOf(locality);
    const reweighted = weights.has(key) && weights.get(key) !== locality.weight;
    if (endpoints.length > 0 || reweighted) put.push({ ...locality, endpoints });
  }
  for (const { locality } of gone.values()) priorities.add(locality.priority);
  const hostsDiffer = put.length > 0 || gone.size > 0;
  return {
    membershipChanges: priorities.size,
    same: before !== undefined && !hostsDiffer && samePolicy(before, after),
    put,
    removed: [...gone.keys()],
  };
}

/** Takes the hosts of a locality out of what there was; gives those that came or changed. */
function takeChanged(
  locality: LocalityEndpointsConfig,
  gone: Map<string, Placed>,
  priorities: Set<number>,
): readonly EndpointConfig[] {
  const changed: EndpointConfig[] = [];
  for (const endpoint of locality.endpoints) {
    const key = addressText(endpoint.address);
    const was = gone.get(key);
    gone.delete(key);
    if (was === undefined || was.locality.priority !== locality.priority) {
      priorities.add(locality.priority);
      if (was !== undefined) priorities.add(was.locality.priority);
    }
    if (was === undefined || !staysAs(was, endpoint, locality)) changed.push(endpoint);
  }
  return changed;
}

export function changesOf(
  after: ClusterEndpointsConfig,
  diff: Pick<EndpointDiff, 'put' | 'removed'>,
): EndpointChangesConfig {
  const { localities: _all, ...policy } = after;
  return { ...policy, put: diff.put, removed: diff.removed };
}

function placesOf(localities: readonly LocalityEndpointsConfig[]): Map<string, Placed> {
  const places = new Map<string, Placed>();
  for (const locality of localities) {
    for (const endpoint of locality.endpoints)
      places.set(addressText(endpoint.address), { endpoint, locality });
  }
  return places;
}

const placeOf = ({ priority, region, zone, subZone }: LocalityEndpointsConfig): string =>
  JSON.stringify([priority, region, zone, subZone]);

const weightsOf = (
  localities: readonly LocalityEndpointsConfig[],
): ReadonlyMap<string, number | undefined> =>
  new Map(localities.map((locality) => [placeOf(locality), locality.weight]));

function staysAs(
  was: Placed,
  endpoint: EndpointConfig,
  { priority, region, zone, subZone }: LocalityEndpointsConfig,
): boolean {
  const { locality } = was;
  return (
    locality.priority === priority &&
    locality.zone === zone &&
    locality.region === region &&
    locality.subZone === subZone &&
    sameEndpoint(was.endpoint, endpoint)
  );
}

/** Of equal addresses. */
function sameEndpoint(a: EndpointConfig, b: EndpointConfig): boolean {
  return (
    a === b ||
    (a.weight === b.weight &&
      a.health === b.health &&
      a.edsStatus === b.edsStatus &&
      a.hostname === b.hostname &&
      sameEntries(a.metadata, b.metadata) &&
      sameSocketLabels(a, b) &&
      sameJson(a.additionalAddresses, b.additionalAddresses) &&
      sameJson(a.healthCheck, b.healthCheck))
  );
}

function sameEntries(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) if (b.get(key) !== value) return false;
  return true;
}

const sameJson = (a: unknown, b: unknown): boolean =>
  a === b || (a !== undefined && b !== undefined && JSON.stringify(a) === JSON.stringify(b));

const samePolicy = (a: ClusterEndpointsConfig, b: ClusterEndpointsConfig): boolean =>
  a.overprovisioningPercent === b.overprovisioningPercent &&
  a.weightedPriorityHealth === b.weightedPriorityHealth &&
  JSON.stringify(a.dropOverloads ?? []) === JSON.stringify(b.dropOverloads ?? []);
