// [w] HostSelection: what a balancer may ask about one request (envoy-behaviour §3.6, §4.5).
import type { RequestHeaders } from '../http/header-map.ts';
import type { DownstreamConnectionInfo, StreamInfo } from '../stream-info/stream-info.ts';
import type { Host } from '../upstream/host.ts';
import type { LoadBalancerContext } from '../upstream/load-balancer.ts';
import type { CookieSink, HashPolicy } from './hash-policy.ts';

const ORIGINAL_DST_ADDRESS = 'envoy.network.transport_socket.original_dst_address';

export class HostSelection implements LoadBalancerContext, CookieSink {
  readonly requestHeaders: RequestHeaders;
  /** How often to choose again at most; set by the retry policy. */
  hostSelectionRetryCount = 1;
  /** `set-cookie` values that hashing made; null: none. */
  setCookies: string[] | null = null;
  readonly #info: StreamInfo;
  readonly #hashPolicy: HashPolicy | null;
  #attempted: Host[] | null = null;

  constructor(headers: RequestHeaders, info: StreamInfo, hashPolicy: HashPolicy | null) {
    this.requestHeaders = headers;
    this.#info = info;
    this.#hashPolicy = hashPolicy;
  }

  get downstreamConnection(): DownstreamConnectionInfo {
    return this.#info.connection;
  }

  get originalDestination(): string | undefined {
    const state = this.#info.filterState;
    return state === null ? undefined : (state.get(ORIGINAL_DST_ADDRESS)?.text ?? undefined);
  }

  /** Computed anew each time: balancers ask once per attempt, if at all. */
  hashKey(): bigint | undefined {
    return this.#hashPolicy === null
      ? undefined
      : this.#hashPolicy.key(this.requestHeaders, this.#info, this);
  }

  shouldSelectAnotherHost(host: Host): boolean {
    return this.#attempted !== null && this.#attempted.includes(host);
  }

  /** Later attempts should go elsewhere. */
  avoid(host: Host): void {
    (this.#attempted ??= []).push(host);
  }

  /** A retry that hashes again makes the same cookie: it is set once. */
  addSetCookie(value: string): void {
    this.setCookies ??= [];
    if (!this.setCookies.includes(value)) this.setCookies.push(value);
  }
}
