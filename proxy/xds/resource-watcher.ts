// [m] What the managers of clusters and listeners see of xDS: decoded resources in, problems out.

/** One accepted-by-the-decoder resource. Immutable. */
export interface XdsResource<T> {
  readonly name: string;
  /** `Resource.version` where the server gives one, else the response's version. */
  readonly version: string;
  readonly config: T;
  /** Bytes of the resource message (the content of its Any), for config_dump. */
  readonly raw: Uint8Array;
}

/** Why a manager does not take a resource; becomes part of the NACK. */
export interface ResourceProblem {
  readonly name: string;
  /** With field path where there is one, for example `filter_chains[0]: …`. */
  readonly message: string;
}

/** A resource that the decoder refused; the last good one of that name stays in use. */
export interface RejectedResource {
  readonly name: string;
  readonly version: string;
  readonly message: string;
  readonly raw: Uint8Array;
}

/**
 * Receives the good resources of one response, in wire order, at most one per name.
 *
 * Called synchronously, once per response that changed something and once for a response that is empty (the first
 * answer may say "nothing"). Resources whose bytes are those already held are left out, except right after a refusal
 * of that name: then the server has gone back to the good ones, and `config.hash` tells that nothing changed.
 * `removed` holds names that are gone, also of resources of which no version was ever taken: CDS, LDS, and what a server
 * takes back of ECDS; EDS, RDS and SDS never lose a resource (envoy-behaviour §13.4).
 * A returned problem makes the client NACK and drop its memory of that resource's new bytes; the manager keeps its
 * last good one. `setNames` of the client may be called from within; what it asks for goes out after the ACK.
 */
export interface ResourceWatcher<T> {
  onUpdate(
    upserts: readonly XdsResource<T>[],
    removed: readonly string[],
  ): readonly ResourceProblem[];
  /** Resources of the same response that never reached onUpdate; called after it. For error_state in config_dump. */
  onRejected?(rejected: readonly RejectedResource[]): void;
  /** The server sent the bytes that are held: onUpdate is not told of them. Kinds that count such things ask for it. */
  onUnchanged?(name: string, version: string): void;
  /**
   * The first answer did not come within the initial fetch time-out, if one is set: whoever waits may go on.
   * Never called with the time-out 0 that Istio sends.
   */
  onInitialFetchTimeout?(): void;
  /** No first version of that resource is to be waited for any more: what should hold it cannot be read. */
  onGivenUp?(name: string): void;
}

/** Kinds whose names are asked for; clusters, which are a wildcard, where some are asked for on demand. */
export type NamedResourceKind =
  | 'clusters'
  | 'endpoints'
  | 'routes'
  | 'extensions'
  | 'secrets'
  | 'runtime';

export type XdsResourceKind = 'listeners' | 'scopes' | NamedResourceKind;
