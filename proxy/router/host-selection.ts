// [w] HostSelection: what a balancer may ask about one request (envoy-behaviour §3.6, §4.5).
import type { RequestHeaders, ResponseHeaders } from '../http/header-map.ts';
import { H } from '../http/headers.ts';
import type { DynamicMetadata } from '../stream-info/dynamic-metadata.ts';
import type { DownstreamConnectionInfo, StreamInfo } from '../stream-info/stream-info.ts';
import { mergedStructs } from '../config/metadata-value.ts';
import type { MetadataStruct } from '../config/metadata-value.ts';
import { ENVOY_LB } from '../upstream/host.ts';
import type { Host } from '../upstream/host.ts';
import type { LoadBalancerContext, OverrideHost } from '../upstream/load-balancer.ts';
import type { CookieSink } from './hash-policy.ts';
import { PreviousPriorities } from './previous-priorities.ts';
import type { RetryPolicy } from './retry-policy.ts';
import type { RouteEntry } from './route-entry.ts';

const ORIGINAL_DST_ADDRESS = 'envoy.network.transport_socket.original_dst_address';

/** Filter state: the address of the host that the first attempt is to go to, and to no other. */
export const OVERRIDE_HOST = 'outrigger.override_host';
export const OVERRIDE_HOST_STRICT = 'outrigger.override_host.strict';

export class HostSelection implements LoadBalancerContext, CookieSink {
  readonly requestHeaders: RequestHeaders;
  /** `set-cookie` values that hashing made; null: none. */
  #setCookies: string[] | null = null;
  readonly #info: StreamInfo;
  readonly #route: RouteEntry;
  /** Null until the first retry. */
  #retry: RetrySelection | null = null;

  constructor(headers: RequestHeaders, info: StreamInfo, route: RouteEntry) {
    this.requestHeaders = headers;
    this.#info = info;
    this.#route = route;
  }

  get downstreamConnection(): DownstreamConnectionInfo {
    return this.#info.connection;
  }

  get dynamicMetadata(): DynamicMetadata | null {
    return this.#info.dynamicMetadata;
  }

  get originalDestination(): string | undefined {
    const state = this.#info.filterState;
    return state === null ? undefined : (state.get(ORIGINAL_DST_ADDRESS)?.text ?? undefined);
  }

  get overrideHost(): OverrideHost | null {
    const state = this.#info.filterState;
    if (state === null || this.#retry !== null) return null;
    const strict = state.get(OVERRIDE_HOST_STRICT)?.text;
    const address = strict ?? state.get(OVERRIDE_HOST)?.text;
    return address ? { address, strict: strict !== undefined } : null;
  }

  /** Computed anew each time: balancers ask once per attempt, if at all. */
  hashKey(): bigint | undefined {
    const { hashPolicy } = this.#route.action!;
    return hashPolicy === null ? undefined : hashPolicy.key(this.requestHeaders, this.#info, this);
  }

  /** The request's own metadata counts more than its route's. */
  get metadataMatch(): MetadataStruct | undefined {
    const own = this.#info.dynamicMetadata?.namespace(ENVOY_LB);
    return mergedStructs(this.#route.metadataMatch, own);
  }

  get hostSelectionRetryCount(): number {
    return this.#retry === null ? 1 : this.#retry.policy.hostSelectionRetryMaxAttempts;
  }

  get retryPriority(): PreviousPriorities | null {
    return this.#retry === null ? null : this.#retry.priorities;
  }

  shouldSelectAnotherHost(host: Host): boolean {
    const retry = this.#retry;
    return retry !== null && retry.policy.hostPredicates.some((omits) => omits(host, retry.tried));
  }

  /** What follows are retries of an attempt at `tried`. */
  retry(policy: RetryPolicy, tried: Host): void {
    const retry = (this.#retry ??= new RetrySelection(policy));
    retry.tried.push(tried);
    retry.priorities?.onHostTried(tried);
  }

  /** A retry that hashes again makes the same cookie: it is set once. */
  addSetCookie(value: string): void {
    this.#setCookies ??= [];
    if (!this.#setCookies.includes(value)) this.#setCookies.push(value);
  }

  setCookiesOn(headers: ResponseHeaders): void {
    if (this.#setCookies === null) return;
    for (const cookie of this.#setCookies) headers.push(H.setCookie, cookie);
  }
}

class RetrySelection {
  readonly policy: RetryPolicy;
  readonly tried: Host[] = [];
  readonly priorities: PreviousPriorities | null;

  constructor(policy: RetryPolicy) {
    this.policy = policy;
    const frequency = policy.previousPrioritiesUpdateFrequency;
    this.priorities = frequency === 0 ? null : new PreviousPriorities(frequency);
  }
}
