// [w] Round robin by what hosts report of themselves; those that say nothing count as the median of the others.
import type { RandomSource } from '../../base/random.ts';
import type { HostList } from '../host-list.ts';
import type { Host } from '../host.ts';
import type { LoadWeights } from './load-weights.ts';
import { RoundRobinPicker } from './round-robin.ts';
import type { SlowStart } from './slow-start.ts';

export class ClientSideWeightedPicker extends RoundRobinPicker {
  readonly #reports: LoadWeights;
  /** By `Host.slot`; 0: none. */
  #weights: number[] = [];
  #median = 1;
  #even = true;
  #updateAtMs = -Infinity;

  constructor(
    list: HostList,
    reports: LoadWeights,
    random: RandomSource,
    slowStart: SlowStart | null,
  ) {
    super(list, random, slowStart);
    this.#reports = reports;
  }

  override pick(): Host | null {
    const nowMs = this.#reports.nowMs;
    if (nowMs >= this.#updateAtMs) this.#update(nowMs);
    return super.pick();
  }

  protected override get even(): boolean {
    return this.#even;
  }

  protected override weightOf(host: Host): number {
    return this.#weights[host.slot] || this.#median;
  }

  #update(nowMs: number): void {
    this.#updateAtMs = nowMs + this.#reports.updatePeriodMs;
    const weights: number[] = [];
    const said: number[] = [];
    for (const host of this.list.hosts) {
      const weight = this.#reports.weightOf(host, nowMs);
      weights[host.slot] = weight;
      if (weight > 0) said.push(weight);
    }
    said.sort((a, b) => a - b);
    const middle = said.length >> 1;
    this.#weights = weights;
    this.#median =
      said.length % 2 === 0 ? ((said[middle - 1] ?? 1) + (said[middle] ?? 1)) / 2 : said[middle]!;
    this.#even = said.length === 0 || said[0] === said.at(-1);
  }
}
