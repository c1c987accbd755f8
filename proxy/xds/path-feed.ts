// [m] PathFeed: resources of one kind from a file that holds a DiscoveryResponse, read again whenever another file is moved to its
// place (envoy-behaviour §13.1). Nobody is answered; what is refused is counted and told, and the last good ones stay.
import type { TimeSource } from '../base/clock.ts';
import type { Closable } from '../base/lifetime.ts';
import type { Logger } from '../base/logger.ts';
import { MoveWatch } from '../base/move-watch.ts';
import type { MovablePath } from '../base/move-watch.ts';
import type { DiscoveryResponse } from '../../xds-protos/gen/envoy.service.discovery.v3.ts';
import { readDiscoveryFile } from './discovery-file.ts';
import type { FieldNotices } from './field-notices.ts';
import { wireResourceOf } from './grpc-ads-transport.ts';
import type { ResourceWatcher } from './resource-watcher.ts';
import type { SubscriptionStats } from './subscription-stats.ts';
import { SubscriptionState } from './subscription-state.ts';
import type { ResourceType, WireResource } from './subscription-state.ts';

export interface PathFeedParts {
  readonly stats: SubscriptionStats;
  readonly time: TimeSource;
  readonly log: Logger;
  readonly fields?: FieldNotices | undefined;
}

export class PathFeed<T> implements Closable {
  readonly #path: string;
  readonly #type: ResourceType<T>;
  readonly #name: string;
  readonly #state: SubscriptionState<T>;
  readonly #parts: PathFeedParts;
  readonly #watch: MoveWatch;
  readonly #onUnreadable: () => void;
  #reading = false;
  #again = false;
  #closed = false;

  /** `name` '' : all that the file has. */
  constructor(
    type: ResourceType<T>,
    name: string,
    watcher: ResourceWatcher<T>,
    place: MovablePath & PathFeedParts,
  ) {
    this.#path = place.path;
    this.#type = type;
    this.#name = name;
    this.#parts = place;
    this.#onUnreadable = () => {
      if (name === '') watcher.onInitialFetchTimeout?.();
      else watcher.onGivenUp?.(name);
    };
    this.#state = new SubscriptionState(type, watcher, place);
    if (name !== '') this.#state.setNames(new Set([name]));
    this.#watch = new MoveWatch(place, place.time, () => void this.#read());
    void this.#read();
  }

  /** Of the last good file. */
  get version(): string {
    return this.#state.version;
  }

  close(): void {
    this.#closed = true;
    this.#watch.close();
    this.#state.close();
  }

  async #read(): Promise<void> {
    this.#again = this.#reading;
    if (this.#reading) return;
    this.#reading = true;
    try {
      const response = await readDiscoveryFile(this.#path);
      if (this.#closed) return;
      this.#watch.unfinished = false;
      this.#apply(response);
    } catch (error) {
      if (this.#closed) return;
      this.#watch.unfinished = true;
      const { stats, log } = this.#parts;
      log.warn(`Filesystem config update failure: ${(error as Error).message}`);
      stats.onFailure();
      if (!this.#state.answered) this.#onUnreadable();
    } finally {
      this.#reading = false;
      if (this.#again) void this.#read();
    }
  }

  #apply(response: DiscoveryResponse): void {
    const resources = (response.resources ?? []).map(wireResourceOf);
    const unexpected = this.#name === '' ? undefined : this.#unexpected(resources);
    if (unexpected !== undefined) {
      this.#parts.log.warn(`Filesystem config update rejected: ${unexpected}`);
      this.#parts.stats.onRejected();
    } else {
      const version = response.version_info ?? '';
      this.#state.apply({ version, resources, removed: [], complete: true });
    }
    if (unexpected !== undefined || resources.length === 0) this.#onUnreadable();
  }

  /** A file for one resource has it alone. */
  #unexpected(resources: readonly WireResource[]): string | undefined {
    const { noun } = this.#type;
    if (resources.length > 1) return `Unexpected ${noun} resource length: ${resources.length}`;
    const bytes = resources[0]?.bytes;
    if (bytes === undefined) return undefined;
    const { name } = this.#type.parse(bytes);
    return name === this.#name
      ? undefined
      : `Unexpected ${noun} (expecting ${this.#name}): ${name}`;
  }
}
