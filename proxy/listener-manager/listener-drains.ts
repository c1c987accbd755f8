// [m] Listeners and filter chains that drain, for gauges and dumps: workers do it, and all of it ends when the drain time
// is over (envoy-behaviour §8.5).
import type { TimerHandle, TimeSource } from '../base/clock.ts';
import { dumpEntryOf } from '../config/config-dump-entries.ts';
import type { ConfigDumpEntry } from '../config/config-resource.ts';
import type { ListenerVersion } from './listener-version.ts';

interface Drain {
  readonly endMs: number;
  readonly chains: number;
  /** Undefined: only chains of it. */
  readonly listener: ListenerVersion | undefined;
}

export class ListenerDrains {
  readonly #time: TimeSource;
  readonly #drainTimeMs: number;
  readonly #onChange: () => void;
  /** In the order they end. */
  #drains: Drain[] = [];
  #timer: TimerHandle | undefined = undefined;

  constructor(time: TimeSource, drainTimeMs: number, onChange: () => void) {
    this.#time = time;
    this.#drainTimeMs = drainTimeMs;
    this.#onChange = onChange;
  }

  get chainCount(): number {
    return this.#drains.reduce((sum, { chains }) => sum + chains, 0);
  }

  get listenerCount(): number {
    return this.#drains.filter(({ listener }) => listener !== undefined).length;
  }

  addChains(chains: number): void {
    if (chains > 0) this.#add(chains, undefined);
  }

  addListener(version: ListenerVersion): void {
    this.#add(0, version);
  }

  /** Of each name the newest: a dump has room for one. */
  entries(): readonly ConfigDumpEntry[] {
    const byName = new Map<string, ConfigDumpEntry>();
    for (const { listener } of this.#drains)
      if (listener !== undefined)
        byName.set(listener.resource.name, dumpEntryOf(listener, 'draining', undefined));
    return [...byName.values()];
  }

  close(): void {
    this.#timer?.cancel();
  }

  #add(chains: number, listener: ListenerVersion | undefined): void {
    this.#drains.push({ endMs: this.#time.monotonicMs() + this.#drainTimeMs, chains, listener });
    this.#timer ??= this.#time.setTimer(this.#onTimer, this.#drainTimeMs);
  }

  readonly #onTimer = (): void => {
    const nowMs = this.#time.monotonicMs();
    this.#drains = this.#drains.filter(({ endMs }) => endMs > nowMs);
    const [next] = this.#drains;
    this.#timer = next && this.#time.setTimer(this.#onTimer, next.endMs - nowMs);
    this.#onChange();
  };
}
