// [w] What round robin and least request have in common: plain picks while all hosts count alike, the deadline
// scheduler while weights differ or hosts warm up (envoy-behaviour §7.6).
import type { RandomSource } from '../../base/random.ts';
import type { HostList, HostPicker } from '../host-list.ts';
import type { Host } from '../host.ts';
import { EdfScheduler } from './edf-scheduler.ts';
import type { EdfEntry } from './edf-scheduler.ts';
import type { SlowStart } from './slow-start.ts';

export abstract class WeightedPicker implements HostPicker {
  protected readonly list: HostList;
  protected readonly random: RandomSource;
  readonly #slowStart: SlowStart | null;
  #edf: EdfScheduler<Host> | null = null;
  /** By `Host.slot`, while there is a scheduler. */
  #entries: EdfEntry<Host>[] = [];
  /** When the last host has its full share. */
  #warmUntilMs = -Infinity;
  #nowMs = 0;
  readonly #weightOf = (host: Host): number => this.#weight(host);

  constructor(list: HostList, random: RandomSource, slowStart: SlowStart | null) {
    this.list = list;
    this.random = random;
    this.#slowStart = slowStart;
    if (slowStart !== null) for (const host of list.hosts) this.#noteWarming(host, slowStart);
  }

  /** While all weights are the same. */
  protected abstract pickPlain(hosts: readonly Host[]): Host;
  /** Not 0. */
  protected abstract weightOf(host: Host): number;

  /** Hosts differ in nothing but what they warm up for. */
  protected get even(): boolean {
    return this.list.sameWeights;
  }

  pick(): Host | null {
    const { hosts } = this.list;
    if (hosts.length < 2) return hosts.length === 0 ? null : hosts[0]!;
    if (this.even && (this.#slowStart === null || !this.#isWarming(this.#slowStart))) {
      this.#edf = null;
      return this.pickPlain(hosts);
    }
    this.#edf ??= this.#schedule(hosts);
    return this.#edf.pick(this.#weightOf);
  }

  onAdded(host: Host): void {
    if (this.#slowStart !== null) {
      this.#nowMs = this.#slowStart.nowMs;
      this.#noteWarming(host, this.#slowStart);
    }
    if (this.#edf !== null) this.#entries[host.slot] = this.#edf.add(host, this.#weight(host));
  }

  onRemoved(host: Host): void {
    if (this.#edf !== null) this.#edf.remove(this.#entries[host.slot]!);
  }

  #schedule(hosts: readonly Host[]): EdfScheduler<Host> {
    const edf = new EdfScheduler<Host>();
    this.#entries = [];
    for (const host of hosts)
      this.#entries[host.slot] = edf.add(host, this.#weight(host), this.random);
    return edf;
  }

  #weight(host: Host): number {
    const weight = this.weightOf(host);
    const slowStart = this.#slowStart;
    if (slowStart === null || !this.#isWarming(slowStart)) return weight;
    return weight * slowStart.factor(host, this.#nowMs);
  }

  #isWarming(slowStart: SlowStart): boolean {
    this.#nowMs = slowStart.nowMs;
    return this.#nowMs < this.#warmUntilMs;
  }

  #noteWarming(host: Host, slowStart: SlowStart): void {
    this.#warmUntilMs = Math.max(this.#warmUntilMs, slowStart.endOf(host));
  }
}
