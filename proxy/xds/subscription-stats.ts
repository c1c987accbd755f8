// [m] Stats of one subscription under its Envoy prefix (`cluster_manager.cds.` …), and of the stream (`control_plane.`).
import type { StatId, StatsStore } from '../stats/store.ts';
import { xxHash64OfText } from '../base/xx-hash64.ts';

/** What a subscription counts; the text of the version is in AdsClient.state(). */
export class SubscriptionStats {
  readonly #store: StatsStore | undefined;
  readonly #updateAttempt: StatId;
  readonly #updateSuccess: StatId;
  readonly #updateFailure: StatId;
  readonly #updateRejected: StatId;
  readonly #initFetchTimeout: StatId;
  readonly #updateTime: StatId;
  readonly #version: StatId;
  readonly #updateDuration: StatId;

  /** `prefix` undefined: counts nothing (EDS and RDS stats are per cluster and per table, the managers keep them). */
  constructor(store: StatsStore, prefix: string | undefined) {
    this.#store = prefix === undefined ? undefined : store;
    const named = (kind: 'counter' | 'gauge' | 'histogram', name: string): StatId =>
      prefix === undefined ? -1 : store[kind](`${prefix}${name}`);
    this.#updateAttempt = named('counter', 'update_attempt');
    this.#updateSuccess = named('counter', 'update_success');
    this.#updateFailure = named('counter', 'update_failure');
    this.#updateRejected = named('counter', 'update_rejected');
    this.#initFetchTimeout = named('counter', 'init_fetch_timeout');
    this.#updateTime = named('gauge', 'update_time');
    this.#version = named('gauge', 'version');
    this.#updateDuration = named('histogram', 'update_duration');
  }

  onAttempt(): void {
    this.#store?.inc(this.#updateAttempt);
  }

  onSuccess(version: string, wallMs: number, durationMs: number): void {
    const store = this.#store;
    if (store === undefined) return;
    store.inc(this.#updateSuccess);
    store.inc(this.#updateAttempt);
    store.set(this.#updateTime, Math.floor(wallMs));
    // A double holds 53 of the hash's 64 bits: good enough to see "the same" and "another".
    store.set(this.#version, Number(xxHash64OfText(version)));
    store.record(this.#updateDuration, Math.floor(durationMs));
  }

  onRejected(): void {
    this.#store?.inc(this.#updateRejected);
    this.#store?.inc(this.#updateAttempt);
  }

  onFailure(): void {
    this.#store?.inc(this.#updateFailure);
    this.#store?.inc(this.#updateAttempt);
  }

  onInitialFetchTimeout(): void {
    this.#store?.inc(this.#initFetchTimeout);
    this.#store?.inc(this.#updateAttempt);
  }
}

export class ControlPlaneStats {
  readonly #store: StatsStore;
  readonly #connectedState: StatId;
  readonly #pendingRequests: StatId;

  constructor(store: StatsStore, prefix: string) {
    this.#store = store;
    this.#connectedState = store.gauge(`${prefix}control_plane.connected_state`);
    this.#pendingRequests = store.gauge(`${prefix}control_plane.pending_requests`);
    store.counter(`${prefix}control_plane.rate_limit_enforced`);
  }

  setConnected(connected: boolean): void {
    this.#store.set(this.#connectedState, connected ? 1 : 0);
  }

  setPendingRequests(count: number): void {
    this.#store.set(this.#pendingRequests, count);
  }
}
