// [w] AttemptTimers: the clocks of one attempt (envoy-behaviour §3.8). Exists only where one of them is wanted.
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner, TimerWheel } from '../base/timer-wheel.ts';
import type { ClusterStats } from '../upstream/cluster-stats.ts';
import type { Host } from '../upstream/host.ts';

export const AttemptTimer = { PerTry: 0, PerTryIdle: 1, StreamDuration: 2 } as const;
export type AttemptTimer = (typeof AttemptTimer)[keyof typeof AttemptTimer];

export class AttemptTimers {
  readonly #owner: TimerOwner;
  readonly #wheel: TimerWheel;
  #perTry: WheelTimer | null = null;
  #idle: WheelTimer | null = null;
  #idleMs = 0;
  #duration: WheelTimer | null = null;

  constructor(owner: TimerOwner, wheel: TimerWheel) {
    this.#owner = owner;
    this.#wheel = wheel;
  }

  startPerTry(ms: number): void {
    if (this.#perTry !== null) return;
    this.#perTry = new WheelTimer(this.#owner, AttemptTimer.PerTry);
    this.#wheel.arm(this.#perTry, ms);
  }

  startIdle(ms: number): void {
    if (this.#idle !== null) return;
    this.#idle = new WheelTimer(this.#owner, AttemptTimer.PerTryIdle);
    this.#idleMs = ms;
    this.touch();
  }

  startDuration(ms: number): void {
    this.#duration = new WheelTimer(this.#owner, AttemptTimer.StreamDuration);
    this.#wheel.arm(this.#duration, ms);
  }

  /** Something moved. */
  touch(): void {
    if (this.#idle !== null) this.#wheel.arm(this.#idle, this.#idleMs);
  }

  stopPerTry(): void {
    if (this.#perTry !== null) this.#wheel.cancel(this.#perTry);
  }

  stopIdle(): void {
    if (this.#idle !== null) this.#wheel.cancel(this.#idle);
    this.#idle = null;
  }

  stop(): void {
    this.stopPerTry();
    this.stopIdle();
    if (this.#duration !== null) this.#wheel.cancel(this.#duration);
  }
}

/** Counts a time-out; how the reply's details call it. */
export function countAttemptTimeout(stats: ClusterStats, host: Host, timer: AttemptTimer): string {
  if (timer === AttemptTimer.StreamDuration) {
    stats.store.inc(stats.upstreamRqMaxDurationReached);
    return 'upstream_max_stream_duration_reached';
  }
  const idle = timer === AttemptTimer.PerTryIdle;
  stats.store.inc(idle ? stats.upstreamRqPerTryIdleTimeout : stats.upstreamRqPerTryTimeout);
  host.counts.rqTimeout++;
  return idle ? 'upstream_per_try_idle_timeout' : 'upstream_per_try_timeout';
}
