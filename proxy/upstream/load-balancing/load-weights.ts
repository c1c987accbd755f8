// [w] LoadWeights: what hosts are worth by their own reports (envoy.load_balancing_policies.client_side_weighted_round_robin, gRFC A58):
// requests a second over utilization, with a penalty for errors. Each worker learns by the answers it sees.
import type { TimeSource } from '../../base/clock.ts';
import type { ClientSideWeightedConfig } from '../../config/load-balancing-config.ts';
import type { HeaderMap } from '../../http/header-map.ts';
import type { Host } from '../host.ts';
import { loadReportOf } from './load-report.ts';
import type { LoadReport } from './load-report.ts';

interface Known {
  weight: number;
  /** First report since it had none. */
  sinceMs: number;
  lastMs: number;
}

export class LoadWeights {
  readonly #config: ClientSideWeightedConfig;
  readonly #time: TimeSource;
  readonly #known = new WeakMap<Host, Known>();

  constructor(config: ClientSideWeightedConfig, time: TimeSource) {
    this.#config = config;
    this.#time = time;
  }

  get nowMs(): number {
    return this.#time.monotonicMs();
  }

  get updatePeriodMs(): number {
    return this.#config.updatePeriodMs;
  }

  /** Headers or trailers of an answer. */
  note(host: Host, headers: HeaderMap): void {
    const report = loadReportOf(headers);
    const weight = report === null ? 0 : this.#weigh(report);
    if (!(weight > 0 && weight < Infinity)) return;
    const nowMs = this.nowMs;
    const known = this.#known.get(host);
    if (known === undefined) this.#known.set(host, { weight, sinceMs: nowMs, lastMs: nowMs });
    else {
      // After a long silence it is as new.
      if (nowMs - known.lastMs > this.#config.expirationPeriodMs) known.sinceMs = nowMs;
      known.weight = weight;
      known.lastMs = nowMs;
    }
  }

  /** 0: too young, too old, or none. */
  weightOf(host: Host, nowMs: number): number {
    const known = this.#known.get(host);
    if (known === undefined || nowMs - known.lastMs > this.#config.expirationPeriodMs) return 0;
    return nowMs - known.sinceMs < this.#config.blackoutPeriodMs ? 0 : known.weight;
  }

  #weigh(report: LoadReport): number {
    const rps = report.get('rps_fractional') ?? 0;
    const errors = report.get('eps') ?? 0;
    let utilization = this.#utilizationIn(report);
    if (rps <= 0 || utilization <= 0) return 0;
    if (errors > 0) utilization += (errors / rps) * this.#config.errorUtilizationPenalty;
    return rps / utilization;
  }

  #utilizationIn(report: LoadReport): number {
    const application = report.get('application_utilization') ?? 0;
    if (application > 0) return application;
    const named = this.#config.metricNames.map((name) => report.get(name) ?? 0);
    const most = Math.max(0, ...named);
    return most > 0 ? most : (report.get('cpu_utilization') ?? 0);
  }
}
