// [w] Least request: the least busy of a few random hosts where weights are equal; weighted by weight over load on the
// deadline scheduler where not (envoy-behaviour §7.6). The load is what this worker has under way.
import type { RandomSource } from '../../base/random.ts';
import type { HostList } from '../host-list.ts';
import type { Host } from '../host.ts';
import type { SlowStart } from './slow-start.ts';
import { WeightedPicker } from './weighted-picker.ts';

/** A host must not get so little that it is never looked at again. */
const LEAST_WEIGHT = 1e-6;

export interface LeastRequestSettings {
  readonly choiceCount: number;
  readonly fullScan: boolean;
  readonly activeRequestBias: number;
}

export class LeastRequestPicker extends WeightedPicker {
  readonly #choiceCount: number;
  readonly #fullScan: boolean;
  readonly #bias: number;

  constructor(
    list: HostList,
    settings: LeastRequestSettings,
    random: RandomSource,
    slowStart: SlowStart | null = null,
  ) {
    super(list, random, slowStart);
    this.#choiceCount = settings.choiceCount;
    this.#fullScan = settings.fullScan;
    this.#bias = settings.activeRequestBias;
  }

  protected override pickPlain(hosts: readonly Host[]): Host {
    if (this.#fullScan) return this.#leastOfAll(hosts);
    let best = hosts[this.random.nextUint32() % hosts.length]!;
    for (let i = 1; i < this.#choiceCount; i++) {
      const other = hosts[this.random.nextUint32() % hosts.length]!;
      if (other.counts.rqActive < best.counts.rqActive) best = other;
    }
    return best;
  }

  protected override weightOf(host: Host): number {
    const load = host.counts.rqActive + 1;
    if (this.#bias === 1) return host.weight / load;
    if (this.#bias === 0) return host.weight;
    return Math.max(LEAST_WEIGHT, host.weight / load ** this.#bias);
  }

  /** Among equals any, with the same chance. */
  #leastOfAll(hosts: readonly Host[]): Host {
    let best = hosts[0]!;
    let equals = 1;
    for (let i = 1; i < hosts.length; i++) {
      const host = hosts[i]!;
      if (host.counts.rqActive > best.counts.rqActive) continue;
      equals = host.counts.rqActive < best.counts.rqActive ? 1 : equals + 1;
      if (equals === 1 || this.random.nextUint32() % equals === 0) best = host;
    }
    return best;
  }
}
