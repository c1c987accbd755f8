// [m] RuntimeLayers: the layers of the runtime, of which a later one wins: static ones, those that come by RTDS, the one that the
// operator writes (/runtime_modify). Whenever one changes, main and all workers run on the sum of them (envoy-behaviour §15).
import type { TimerHandle, TimeSource } from '../base/clock.ts';
import type { Closable } from '../base/lifetime.ts';
import type { Logger } from '../base/logger.ts';
import { Runtime } from '../base/runtime.ts';
import type { RuntimeLayerConfig } from '../config/bootstrap-config.ts';
import type { SubscriptionRef } from '../config/config-source.ts';
import { subscriptionKey } from '../config/config-source.ts';
import type { RuntimeValuesConfig } from '../config/runtime-layer-config.ts';
import type { StatId, StatsStore } from '../stats/store.ts';
import type { ResourceWatcher, XdsResource } from '../xds/resource-watcher.ts';
import { SubscriptionStats } from '../xds/subscription-stats.ts';

import type { ServerDeps } from './server-deps.ts';

export interface RuntimeLayersParts {
  readonly layers: readonly RuntimeLayerConfig[];
  /** Workers get it with the next update. */
  readonly sink: { publishRuntime(values: ReadonlyMap<string, string>): void };
  /** Nobody need wait for a layer any more. */
  readonly onSettled: () => void;
  readonly time: TimeSource;
  readonly stats: StatsStore;
  readonly log: Logger;
}

interface Layer {
  readonly config: RuntimeLayerConfig;
  values: ReadonlyMap<string, string>;
  /** It came, was refused, or is overdue. */
  settled: boolean;
  fetchTimer: TimerHandle | undefined;
}

/** What an operator may write. */
const MOST_OVERRIDES = 10_000;

export class RuntimeLayers implements Closable {
  readonly #parts: RuntimeLayersParts;
  readonly #layers: readonly Layer[];
  readonly #byKey = new Map<string, Layer>();
  readonly #loads: StatId;
  readonly #noDirectory: StatId;
  readonly #keys: StatId;
  readonly #overrides: StatId;
  readonly #subscription: SubscriptionStats | undefined;
  readonly watcher: ResourceWatcher<RuntimeValuesConfig>;
  /** The sum of them, for main: workers have theirs. */
  readonly values: Runtime;
  #merged: ReadonlyMap<string, string>;

  constructor(parts: RuntimeLayersParts) {
    this.#parts = parts;
    const { layers, stats } = parts;
    this.#layers = layers.map((config) => ({
      config,
      values: config.values,
      settled: config.rtds === undefined,
      fetchTimer: undefined,
    }));
    for (const layer of this.#layers)
      if (layer.config.rtds !== undefined)
        this.#byKey.set(subscriptionKey(layer.config.rtds), layer);
    this.#loads = stats.counter('runtime.load_success');
    this.#noDirectory = stats.counter('runtime.override_dir_not_exists');
    for (const name of ['load_error', 'override_dir_exists']) stats.counter(`runtime.${name}`);
    this.#keys = stats.gauge('runtime.num_keys');
    this.#overrides = stats.gauge('runtime.admin_overrides_active');
    stats.set(stats.gauge('runtime.num_layers'), layers.length);
    this.#subscription =
      this.#byKey.size > 0 ? new SubscriptionStats(stats, 'runtime.') : undefined;
    this.#merged = this.#merge();
    this.values = new Runtime(this.#merged);
    this.#count();
    this.watcher = {
      onUpdate: (upserts, removed) => this.#onUpdate(upserts, removed),
      onRejected: (rejected) => {
        for (const { name } of rejected) this.#giveUp(name, 'onRejected');
      },
      onUnchanged: (_name, version) =>
        this.#subscription?.onSuccess(version, parts.time.wallMs(), 0),
      onGivenUp: (name) => this.#giveUp(name),
    };
  }

  /** Once, when resources can be asked for. */
  start(onWanted: (wanted: ReadonlyMap<string, SubscriptionRef>) => void): void {
    if (this.#byKey.size === 0) return;
    const wanted = new Map<string, SubscriptionRef>();
    for (const [key, layer] of this.#byKey) {
      const ref = layer.config.rtds!;
      wanted.set(key, ref);
      this.#subscription?.onAttempt();
      if (ref.initialFetchTimeoutMs === 0) continue;
      const giveUp = (): void => {
        this.#parts.log.warn('no runtime layer within the initial fetch time-out', {
          layer: ref.name,
        });
        this.#giveUp(key, 'onInitialFetchTimeout');
      };
      layer.fetchTimer = this.#parts.time.setTimer(giveUp, ref.initialFetchTimeoutMs);
    }
    onWanted(wanted);
  }

  /** Layers that are waited for. */
  get missing(): number {
    return this.#layers.filter(({ settled }) => !settled).length;
  }

  /** As /runtime shows them. */
  get layers(): readonly { readonly name: string; readonly values: ReadonlyMap<string, string> }[] {
    return this.#layers.map(({ config, values }) => ({ name: config.name, values }));
  }

  get merged(): ReadonlyMap<string, string> {
    return this.#merged;
  }

  /** `/runtime_modify`: '' takes a value back. False: no layer can be written. */
  modify(changes: Iterable<readonly [key: string, value: string]>): boolean {
    const layer = this.#layers.find(({ config }) => config.kind === 'admin');
    if (layer === undefined) return false;
    const values = new Map(layer.values);
    for (const [key, value] of changes) {
      if (value === '') values.delete(key);
      else if (values.size < MOST_OVERRIDES || values.has(key)) values.set(key, value);
    }
    layer.values = values;
    this.#parts.stats.set(this.#overrides, values.size > 0 ? 1 : 0);
    this.#load();
    return true;
  }

  close(): void {
    for (const { fetchTimer } of this.#layers) fetchTimer?.cancel();
  }

  #onUpdate(
    upserts: readonly XdsResource<RuntimeValuesConfig>[],
    removed: readonly string[],
  ): readonly [] {
    const nowMs = this.#parts.time.wallMs();
    for (const { name, version, config } of upserts) {
      this.#set(name, config.values);
      this.#subscription?.onSuccess(version, nowMs, 0);
    }
    for (const name of removed) {
      this.#set(name, new Map());
      this.#subscription?.onSuccess('', nowMs, 0);
    }
    if (upserts.length > 0 || removed.length > 0) this.#load();
    this.#parts.onSettled();
    return [];
  }

  #set(key: string, values: ReadonlyMap<string, string>): void {
    const layer = this.#byKey.get(key);
    if (layer === undefined) return;
    layer.values = values;
    settle(layer);
  }

  #giveUp(key: string, count?: 'onRejected' | 'onInitialFetchTimeout'): void {
    const layer = this.#byKey.get(key);
    if (layer === undefined) return;
    if (count !== undefined) this.#subscription?.[count]();
    settle(layer);
    this.#parts.onSettled();
  }

  #load(): void {
    this.#merged = this.#merge();
    this.#count();
    this.values.replace(this.#merged);
    this.#parts.sink.publishRuntime(this.#merged);
  }

  #merge(): ReadonlyMap<string, string> {
    return new Map(this.#layers.flatMap(({ values }) => [...values]));
  }

  #count(): void {
    const { stats } = this.#parts;
    stats.inc(this.#loads);
    stats.inc(this.#noDirectory);
    stats.set(this.#keys, this.#merged.size);
  }
}

export const wireRuntime = (
  { bootstrap, time, loggers }: Pick<ServerDeps, 'bootstrap' | 'time' | 'loggers'>,
  stats: StatsStore,
  sink: RuntimeLayersParts['sink'],
  onSettled: () => void,
): RuntimeLayers =>
  new RuntimeLayers({
    layers: bootstrap.config.runtimeLayers,
    sink,
    onSettled,
    time,
    stats,
    log: loggers.get('runtime'),
  });

function settle(layer: Layer): void {
  layer.settled = true;
  layer.fetchTimer?.cancel();
  layer.fetchTimer = undefined;
}
