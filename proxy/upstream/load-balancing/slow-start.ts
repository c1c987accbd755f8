// [w] Slow start: hosts that just came, or just began to pass their checks, get their share little by little
// (envoy-behaviour §7.6).
import type { TimeSource } from '../../base/clock.ts';
import type { SlowStartConfig } from '../../config/load-balancing-config.ts';
import type { Runtime } from '../../base/runtime.ts';
import { Health } from '../host-health.ts';
import type { Host } from '../host.ts';

export class SlowStart {
  readonly #windowMs: number;
  readonly #exponent: number;
  readonly #minFactor: number;
  readonly #clock: TimeSource;

  constructor(config: SlowStartConfig, runtime: Runtime, clock: TimeSource) {
    const { value, runtimeKey } = config.aggression;
    const aggression = runtime.number(runtimeKey, value);
    this.#windowMs = config.windowMs;
    this.#exponent = aggression > 0 ? 1 / aggression : 1;
    this.#minFactor = config.minWeightPercent / 100;
    this.#clock = clock;
  }

  get nowMs(): number {
    return this.#clock.monotonicMs();
  }

  /** When the host has its full share. */
  endOf(host: Host): number {
    return host.healthySinceMs + this.#windowMs;
  }

  /** Part of its weight that the host has now. */
  factor(host: Host, nowMs: number): number {
    const sinceMs = nowMs - host.healthySinceMs;
    if (sinceMs >= this.#windowMs || host.health !== Health.Healthy) return 1;
    const part = Math.max(1, sinceMs) / this.#windowMs;
    return Math.max(this.#minFactor, this.#exponent === 1 ? part : part ** this.#exponent);
  }
}
