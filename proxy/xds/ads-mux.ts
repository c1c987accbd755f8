// [m] What DeltaMux and SotwMux have in common: the interface to the client, the plain requests and responses, and the
// order in which types are asked for (runtime, clusters, endpoints, listeners, routes, extensions, secrets).
import type { ResourceResponse, SubscriptionState } from './subscription-state.ts';
import type { NamedResourceKind, XdsResourceKind } from './resource-watcher.ts';

export type AdsMode = 'delta' | 'sotw';

/** gRPC code in `error_detail` of a NACK: INTERNAL, as Envoy sends it (envoy-behaviour §13.2). */
export const NACK_CODE = 13;

/** Order of requests (istio-contract §1.4). */
export const KIND_ORDER: readonly XdsResourceKind[] = [
  'runtime',
  'clusters',
  'endpoints',
  'listeners',
  'scopes',
  'routes',
  'extensions',
  'secrets',
];

export interface DeltaAdsRequest {
  readonly mode: 'delta';
  readonly typeUrl: string;
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  readonly initialVersions: ReadonlyMap<string, string>;
  /** '' when the request answers nothing. */
  readonly nonce: string;
  /** Text of the NACK. */
  readonly nack: string | undefined;
}

export interface SotwAdsRequest {
  readonly mode: 'sotw';
  readonly typeUrl: string;
  readonly names: readonly string[];
  /** Last accepted version. */
  readonly version: string;
  readonly nonce: string;
  readonly nack: string | undefined;
}

export type AdsRequest = DeltaAdsRequest | SotwAdsRequest;

export interface AdsResponse extends ResourceResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  /** `control_plane.identifier`; '' when absent. */
  readonly controlPlaneIdentifier: string;
}

export type SubscriptionMap = ReadonlyMap<XdsResourceKind, SubscriptionState<unknown>>;

/**
 * The protocol over one stream after another. Synchronous: every call that makes something to say ends with the
 * requests handed to `send` in KIND_ORDER, an ACK before the wishes that its response woke.
 */
export interface AdsMux {
  /** A new stream: everything wanted is asked for again. */
  onStreamOpen(send: (request: AdsRequest) => void): void;
  onStreamEnd(): void;
  onResponse(response: AdsResponse): void;
  setNames(kind: NamedResourceKind, names: ReadonlySet<string>): void;
  /** Something is waited for no longer: what had to wait for it is asked for. */
  onWaitOver(): void;
}

/** Names of a wildcard type come on top of all that there are, which then has to be said. */
export const askedNames = ({ type, names }: SubscriptionState<unknown>): readonly string[] =>
  type.wildcard && names.size > 0 ? ['*', ...names] : [...names];

export function sameNames(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  for (const name of a) if (!b.has(name)) return false;
  return true;
}

/**
 * Whether `kind` may be asked for already. Listeners wait for the first answer about clusters, so that a listener never
 * comes before the clusters its routes name; nothing waits on a later stream.
 */
export function mayAsk(kind: XdsResourceKind, subscriptions: SubscriptionMap): boolean {
  if (kind !== 'listeners') return true;
  const clusters = subscriptions.get('clusters');
  return clusters === undefined || !clusters.type.wildcard || clusters.answered;
}

export function findByTypeUrl(
  subscriptions: SubscriptionMap,
  typeUrl: string,
): SubscriptionState<unknown> | undefined {
  for (const subscription of subscriptions.values())
    if (subscription.type.typeUrl === typeUrl) return subscription;
  return undefined;
}
