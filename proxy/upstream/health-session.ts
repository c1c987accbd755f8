// [m] HealthSession: the active checks of one host: when the next one is due, what an answer does to the host's flags
// (envoy-behaviour §7.8).
//
//   waiting ──interval──▶ checking ──answer or time-out──▶ waiting …
import type { TimerHandle, TimeSource } from '../base/clock.ts';
import type { HealthCheckConfig } from '../config/health-check-config.ts';
import { HealthFlag } from './host-health.ts';
import type { HealthPacer, PacedCheck } from './health-pacer.ts';
import { ProbeResult } from './health-probe.ts';
import type { Probe, ProbeOwner } from './health-probe.ts';

/** As events name them. */
export type CheckFailure = 'ACTIVE' | 'PASSIVE' | 'NETWORK' | 'NETWORK_TIMEOUT';

export type CheckEvent =
  | { readonly kind: 'add_healthy'; readonly firstCheck: boolean }
  | { readonly kind: 'eject_unhealthy'; readonly failure: CheckFailure; readonly status: number }
  | {
      readonly kind: 'failure';
      readonly failure: CheckFailure;
      readonly firstCheck: boolean;
      readonly status: number;
    }
  | { readonly kind: 'degraded' | 'no_longer_degraded' | 'success' };

/** The host as its session sees it. */
export interface CheckedHost {
  readonly flags: number;
  setFlags(flags: number): void;
  onCheckEvent(event: CheckEvent): void;
  /** A check is over, and the flags are as they are now; `healthy`: it was a good one. */
  onCheckDone(healthy: boolean): void;
}

export type CheckStat =
  | 'attempt'
  | 'success'
  | 'failure'
  | 'passive_failure'
  | 'network_failure'
  | 'verify_cluster';

/** What the sessions of one cluster share. */
export interface CheckContext {
  readonly config: HealthCheckConfig;
  readonly time: TimeSource;
  readonly pacer: HealthPacer;
  count(stat: CheckStat): void;
  /** Until the next check. */
  intervalMs(healthy: boolean, pending: boolean): number;
  initialDelayMs(): number;
}

/** What a check changed. */
const Change = { None: 0, Pending: 1, Done: 2 } as const;
type Change = (typeof Change)[keyof typeof Change];

export class HealthSession implements ProbeOwner, PacedCheck {
  readonly #context: CheckContext;
  readonly #host: CheckedHost;
  readonly #probe: Probe;
  /** For the next check, or for the answer to this one. */
  #timer: TimerHandle | null = null;
  #first = true;
  #healthyCount = 0;
  #unhealthyCount = 0;
  #closed = false;

  constructor(context: CheckContext, host: CheckedHost, makeProbe: (owner: ProbeOwner) => Probe) {
    this.#context = context;
    this.#host = host;
    this.#probe = makeProbe(this);
  }

  start(): void {
    const delayMs = this.#context.initialDelayMs();
    if (delayMs === 0) this.#context.pacer.run(this);
    else this.#wait(delayMs);
  }

  close(): void {
    this.#closed = true;
    this.#context.pacer.forget(this);
    this.#timer?.cancel();
    this.#probe.close();
  }

  /** The host said on its own, in an answer to a request, that it is not to be used. */
  onPassiveFailure(): void {
    this.#host.setFlags(this.#host.flags | HealthFlag.ExcludedByResponse);
    this.#setUnhealthy('PASSIVE', false, 0);
    this.#host.onCheckDone(false);
  }

  // === ProbeOwner

  onProbeResult(result: ProbeResult, status: number): void {
    if (this.#closed) return;
    switch (result) {
      case ProbeResult.Healthy:
        this.#onSuccess(false);
        break;
      case ProbeResult.Degraded:
        this.#onSuccess(true);
        break;
      case ProbeResult.Network:
        this.#onFailure('NETWORK', false, status);
        break;
      default:
        this.#onFailure('ACTIVE', result === ProbeResult.Retriable, status);
    }
  }

  onImmediateFail(): void {
    this.#host.setFlags(this.#host.flags | HealthFlag.ExcludedByResponse);
  }

  // === PacedCheck

  begin(): void {
    this.#context.count('attempt');
    this.#timer = this.#context.time.setTimer(() => {
      this.#probe.abort();
      this.#onFailure('NETWORK_TIMEOUT', false, 0);
    }, this.#context.config.timeoutMs);
    this.#probe.start();
  }

  #wait(delayMs: number): void {
    this.#timer?.cancel();
    if (this.#closed) return;
    this.#timer = this.#context.time.setTimer(() => this.#context.pacer.run(this), delayMs);
  }

  #onSuccess(degraded: boolean): void {
    const host = this.#host;
    const { config } = this.#context;
    let change: Change = Change.None;
    let added = false;
    let { flags } = host;
    this.#unhealthyCount = 0;
    if ((flags & HealthFlag.FailedActiveCheck) !== 0) {
      if (this.#first || ++this.#healthyCount === config.healthyThreshold) {
        flags &= ~RECOVERY_CLEARS;
        change = Change.Done;
        added = true;
      } else change = Change.Pending;
    }
    if ((flags & HealthFlag.PendingFirstCheck) !== 0) {
      flags &= ~HealthFlag.PendingFirstCheck;
      change = Change.Done;
    }
    const wasDegraded = (flags & HealthFlag.DegradedActiveCheck) !== 0;
    if (degraded !== wasDegraded) {
      flags ^= HealthFlag.DegradedActiveCheck;
      if (change === Change.None) change = Change.Done;
    }
    const firstCheck = this.#first;
    this.#first = false;
    this.#context.count('success');
    host.setFlags(flags);
    if (added) host.onCheckEvent({ kind: 'add_healthy', firstCheck });
    else if (config.log.alwaysSuccess) host.onCheckEvent({ kind: 'success' });
    if (degraded !== wasDegraded)
      host.onCheckEvent({ kind: degraded ? 'degraded' : 'no_longer_degraded' });
    host.onCheckDone(true);
    this.#wait(this.#context.intervalMs(true, change === Change.Pending));
  }

  #onFailure(failure: CheckFailure, retriable: boolean, status: number): void {
    const change = this.#setUnhealthy(failure, retriable, status);
    this.#host.onCheckDone(false);
    this.#wait(this.#context.intervalMs(false, change === Change.Pending));
  }

  #setUnhealthy(failure: CheckFailure, retriable: boolean, status: number): Change {
    const host = this.#host;
    const { config } = this.#context;
    let change: Change = Change.None;
    let ejected = false;
    let { flags } = host;
    this.#healthyCount = 0;
    if ((flags & HealthFlag.FailedActiveCheck) === 0) {
      // What answered wrongly gets no second chance; the network does.
      const network = failure === 'NETWORK' || failure === 'NETWORK_TIMEOUT';
      if ((!network && !retriable) || ++this.#unhealthyCount === config.unhealthyThreshold) {
        flags |= HealthFlag.FailedActiveCheck;
        change = Change.Done;
        ejected = true;
      } else change = Change.Pending;
    }
    if ((flags & HealthFlag.FailedActiveCheck) !== 0) {
      if (failure === 'NETWORK_TIMEOUT') flags |= HealthFlag.ActiveCheckTimeout;
      else flags &= ~HealthFlag.ActiveCheckTimeout;
    }
    if ((flags & HealthFlag.PendingFirstCheck) !== 0) {
      flags &= ~HealthFlag.PendingFirstCheck;
      change = Change.Done;
    }
    const firstCheck = this.#first;
    this.#first = false;
    this.#context.count('failure');
    if (failure === 'PASSIVE') this.#context.count('passive_failure');
    else if (failure !== 'ACTIVE') this.#context.count('network_failure');
    host.setFlags(flags);
    if (ejected) host.onCheckEvent({ kind: 'eject_unhealthy', failure, status });
    if (firstCheck || config.log.alwaysFailures)
      host.onCheckEvent({ kind: 'failure', failure, firstCheck, status });
    return change;
  }
}

/** A host that is well again starts afresh. */
const RECOVERY_CLEARS =
  HealthFlag.FailedActiveCheck | HealthFlag.ActiveCheckTimeout | HealthFlag.ExcludedByResponse;
