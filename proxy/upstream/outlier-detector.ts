// [m] OutlierDetector: decides which hosts of a cluster are ejected, and when they come back (envoy-behaviour §7.9).
// Workers count and tell of runs of failures; what takes an interval is looked at here.
import type { TimerHandle, TimeSource } from '../base/clock.ts';
import type { RandomSource } from '../base/random.ts';
import type { Runtime } from '../base/runtime.ts';
import type { OutlierDetectionConfig } from '../config/outlier-detection-config.ts';
import { HealthFlag } from './host-health.ts';
import { OutlierCount, outlierPlace } from './outlier-memory.ts';
import { NO_RATES, rateNumbers } from './outlier-rates.ts';
import type { HostRate, RateNumbers } from './outlier-rates.ts';
import { OutlierSettings } from './outlier-settings.ts';
import type { OutlierStats } from './outlier-stats.ts';

/** As events name them. */
export type OutlierType =
  | 'CONSECUTIVE_5XX'
  | 'CONSECUTIVE_GATEWAY_FAILURE'
  | 'CONSECUTIVE_LOCAL_ORIGIN_FAILURE'
  | 'SUCCESS_RATE'
  | 'SUCCESS_RATE_LOCAL_ORIGIN'
  | 'FAILURE_PERCENTAGE'
  | 'FAILURE_PERCENTAGE_LOCAL_ORIGIN'
  | 'DEGRADED';

export type ConsecutiveType = Extract<OutlierType, `CONSECUTIVE_${string}`>;

/** What is known of one host; outlives updates of the configuration. */
export class OutlierState {
  ejections = 0;
  /** Ejections in a row, less intervals without one: the ejection time is multiplied by it. */
  backoff = 0;
  jitterMs = 0;
  /** Monotonic; NaN: never. */
  ejectedMs = NaN;
  unejectedMs = NaN;
  degradeBackoff = 0;
  degradedMs = NaN;
  /** 0 to 100, of the last interval; -1: too few requests. */
  successRate = -1;
  localOriginSuccessRate = -1;
}

export interface OutlierHost {
  readonly addressText: string;
  /** -1: it is not watched. */
  readonly outlierSlot: number;
  readonly outlier: OutlierState;
  readonly flags: number;
  setFlags(flags: number): void;
}

export interface OutlierEvents {
  onEject(host: OutlierHost, type: OutlierType, enforced: boolean): void;
  onUneject(host: OutlierHost): void;
}

export interface OutlierDetectorParts {
  readonly config: OutlierDetectionConfig;
  readonly time: TimeSource;
  readonly random: RandomSource;
  readonly runtime: Runtime;
  readonly counts: Int32Array;
  readonly stats: OutlierStats;
  readonly events: OutlierEvents;
}

/** The two sides of what is counted, one of them unless the origins are split. */
const SIDES = [
  {
    requests: OutlierCount.Requests,
    successes: OutlierCount.Successes,
    rate: 'successRate',
    rateType: 'SUCCESS_RATE',
    percentageType: 'FAILURE_PERCENTAGE',
  },
  {
    requests: OutlierCount.LocalOriginRequests,
    successes: OutlierCount.LocalOriginSuccesses,
    rate: 'localOriginSuccessRate',
    rateType: 'SUCCESS_RATE_LOCAL_ORIGIN',
    percentageType: 'FAILURE_PERCENTAGE_LOCAL_ORIGIN',
  },
] as const;
type Side = (typeof SIDES)[number];

const CONSECUTIVE_COUNTS: Readonly<Record<ConsecutiveType, OutlierCount>> = {
  CONSECUTIVE_5XX: OutlierCount.Consecutive5xx,
  CONSECUTIVE_GATEWAY_FAILURE: OutlierCount.ConsecutiveGatewayFailure,
  CONSECUTIVE_LOCAL_ORIGIN_FAILURE: OutlierCount.ConsecutiveLocalOriginFailure,
};

export class OutlierDetector {
  readonly #parts: OutlierDetectorParts;
  readonly #settings: OutlierSettings;
  readonly #hosts = new Set<OutlierHost>();
  #ejected = 0;
  #timer: TimerHandle | null = null;
  /** Of the last interval, for /clusters. */
  external: RateNumbers = NO_RATES;
  localOrigin: RateNumbers = NO_RATES;

  constructor(parts: OutlierDetectorParts) {
    this.#parts = parts;
    this.#settings = new OutlierSettings(parts.config, parts.runtime);
  }

  start(): void {
    this.#arm();
  }

  close(): void {
    this.#timer?.cancel();
  }

  add(host: OutlierHost): void {
    this.#hosts.add(host);
    if (isEjected(host)) this.#setEjected(this.#ejected + 1);
  }

  remove(host: OutlierHost): void {
    if (this.#hosts.delete(host) && isEjected(host)) this.#setEjected(this.#ejected - 1);
  }

  /** A worker saw as many failures in a row as it takes. */
  onConsecutive(host: OutlierHost, type: ConsecutiveType): void {
    if (!this.#hosts.has(host) || isEjected(host)) return;
    this.#parts.stats.detected(type);
    this.#eject(host, type);
    if (type === 'CONSECUTIVE_5XX') this.#parts.stats.consecutive5xx();
    this.#clear(host, CONSECUTIVE_COUNTS[type]);
  }

  /** It said `x-envoy-degraded`. */
  onDegraded(host: OutlierHost): void {
    if (!this.#hosts.has(host) || (host.flags & HealthFlag.DegradedOutlierCheck) !== 0) return;
    this.#parts.stats.detected('DEGRADED');
    const { outlier } = host;
    outlier.degradedMs = this.#parts.time.monotonicMs();
    outlier.jitterMs = this.#jitterMs();
    outlier.degradeBackoff = this.#settings.nextBackoff(outlier.degradeBackoff);
    host.setFlags(host.flags | HealthFlag.DegradedOutlierCheck);
    this.#parts.events.onEject(host, 'DEGRADED', true);
  }

  /** An active check of an ejected host was good. */
  onCheckPassed(host: OutlierHost): void {
    const failed = (host.flags & HealthFlag.FailedActiveCheck) !== 0;
    if (this.#parts.config.uneject && isEjected(host) && !failed) this.#uneject(host);
  }

  #arm(): void {
    this.#timer = this.#parts.time.setTimer(() => this.#onInterval(), this.#settings.intervalMs);
  }

  #onInterval(): void {
    const nowMs = this.#parts.time.monotonicMs();
    for (const host of this.#hosts) {
      this.#maybeUneject(host, nowMs);
      this.#maybeUndegrade(host, nowMs);
    }
    this.external = this.#judge(SIDES[0]);
    this.localOrigin = this.#judge(SIDES[1]);
    this.#arm();
  }

  #maybeUneject(host: OutlierHost, nowMs: number): void {
    const { outlier } = host;
    if (isEjected(host)) {
      const ejectionMs = this.#settings.ejectionMs(outlier.backoff) + outlier.jitterMs;
      if (nowMs - outlier.ejectedMs >= ejectionMs) this.#uneject(host);
    } else if (outlier.backoff > 0) outlier.backoff--;
  }

  #maybeUndegrade(host: OutlierHost, nowMs: number): void {
    const { outlier } = host;
    if ((host.flags & HealthFlag.DegradedOutlierCheck) === 0) {
      if (outlier.degradeBackoff > 0) outlier.degradeBackoff--;
      return;
    }
    const degradedMs = this.#settings.ejectionMs(outlier.degradeBackoff) + outlier.jitterMs;
    if (nowMs - outlier.degradedMs < degradedMs) return;
    host.setFlags(host.flags & ~HealthFlag.DegradedOutlierCheck);
    this.#parts.events.onUneject(host);
  }

  /** What the interval gathered about one side, and who is ejected for it. */
  #judge(side: Side): RateNumbers {
    const settings = this.#settings;
    const rates = this.#takeRates(side);
    const { successRate, failurePercentage } = settings;
    if (this.#hosts.size < Math.min(successRate.minimumHosts, failurePercentage.minimumHosts))
      return NO_RATES;
    const least = Math.min(successRate.requestVolume, failurePercentage.requestVolume);
    for (const { host, successRate: rate, volume } of rates)
      if (volume >= least) host.outlier[side.rate] = rate;
    const numbers = this.#judgeRates(side, rates);
    this.#judgePercentages(side, rates);
    return numbers;
  }

  #judgeRates(side: Side, all: readonly HostRate<OutlierHost>[]): RateNumbers {
    const { minimumHosts, requestVolume, stdevFactor } = this.#settings.successRate;
    const rates = all.filter(({ volume }) => volume >= requestVolume);
    if (rates.length === 0 || rates.length < minimumHosts) return NO_RATES;
    const numbers = rateNumbers(rates, stdevFactor);
    for (const { host, successRate } of rates) {
      if (successRate >= numbers.threshold) continue;
      this.#parts.stats.successRate();
      this.#parts.stats.detected(side.rateType);
      // Events tell the numbers that led to them.
      if (side === SIDES[0]) this.external = numbers;
      else this.localOrigin = numbers;
      this.#eject(host, side.rateType);
    }
    return numbers;
  }

  #judgePercentages(side: Side, all: readonly HostRate<OutlierHost>[]): void {
    const { minimumHosts, requestVolume, threshold } = this.#settings.failurePercentage;
    const rates = all.filter(({ volume }) => volume >= requestVolume);
    if (rates.length === 0 || rates.length < minimumHosts) return;
    for (const { host, successRate } of rates) {
      if (100 - successRate < threshold) continue;
      this.#parts.stats.detected(side.percentageType);
      this.#eject(host, side.percentageType);
    }
  }

  /** Counts begin anew; hosts that are ejected, or had no request, are left out. */
  #takeRates(side: Side): readonly HostRate<OutlierHost>[] {
    const { counts } = this.#parts;
    const rates: HostRate<OutlierHost>[] = [];
    for (const host of this.#hosts) {
      host.outlier[side.rate] = -1;
      if (host.outlierSlot < 0) continue;
      const place = outlierPlace(host.outlierSlot);
      const volume = Atomics.exchange(counts, place + side.requests, 0);
      // Successes are counted behind their requests: never more of them than of these.
      const successes = Math.min(volume, Atomics.exchange(counts, place + side.successes, 0));
      if (volume === 0 || isEjected(host)) continue;
      rates.push({ host, volume, successRate: (successes * 100) / volume });
    }
    return rates;
  }

  #eject(host: OutlierHost, type: OutlierType): void {
    const { stats, events, time } = this.#parts;
    const settings = this.#settings;
    // A host that two detectors found in one interval is ejected once.
    if (isEjected(host)) return;
    if (!settings.mayEject(this.#ejected, this.#hosts.size)) {
      stats.overflow();
      return;
    }
    if (type === 'CONSECUTIVE_5XX' || type === 'SUCCESS_RATE') stats.total();
    const enforced = settings.enforces(type, this.#parts.random.nextUint32());
    if (enforced) {
      stats.enforced(type);
      const { outlier } = host;
      outlier.ejections++;
      outlier.ejectedMs = time.monotonicMs();
      outlier.jitterMs = this.#jitterMs();
      outlier.backoff = settings.nextBackoff(outlier.backoff);
      this.#setEjected(this.#ejected + 1);
      host.setFlags(host.flags | HealthFlag.FailedOutlierCheck);
    }
    events.onEject(host, type, enforced);
  }

  #uneject(host: OutlierHost): void {
    this.#setEjected(this.#ejected - 1);
    host.setFlags(host.flags & ~HealthFlag.FailedOutlierCheck);
    for (const count of Object.values(CONSECUTIVE_COUNTS)) this.#clear(host, count);
    this.#parts.events.onUneject(host);
    host.outlier.unejectedMs = this.#parts.time.monotonicMs();
  }

  #clear(host: OutlierHost, count: OutlierCount): void {
    if (host.outlierSlot >= 0)
      Atomics.store(this.#parts.counts, outlierPlace(host.outlierSlot) + count, 0);
  }

  #jitterMs(): number {
    const most = this.#settings.maxJitterMs;
    return most === 0 ? 0 : this.#parts.random.nextUint32() % (most + 1);
  }

  #setEjected(ejected: number): void {
    this.#ejected = ejected;
    this.#parts.stats.setActive(ejected);
  }
}

const isEjected = (host: OutlierHost): boolean =>
  (host.flags & HealthFlag.FailedOutlierCheck) !== 0;
