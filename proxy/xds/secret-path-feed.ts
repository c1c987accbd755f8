// [m] SecretPathFeed: a secret from a file that holds a DiscoveryResponse, read again whenever another file is moved to its place
// (envoy-behaviour §9.4, §13.1, path_config_source).
import type { DiscoveryResponse } from '../../xds-protos/gen/envoy.service.discovery.v3.ts';
import type { TimeSource } from '../base/clock.ts';
import type { Closable } from '../base/lifetime.ts';
import { MoveWatch } from '../base/move-watch.ts';
import type { MovablePath } from '../base/move-watch.ts';
import type { SecretConfig } from '../config/secret-config.ts';
import { readDiscoveryFile } from './discovery-file.ts';
import { secretType } from './resource-types.ts';
import type { XdsResource } from './resource-watcher.ts';

export interface PathFeedEvents {
  /** Throws in words where it cannot be used. */
  onSecret(resource: XdsResource<SecretConfig>): void;
  onRejected(reason: string): void;
}

export class SecretPathFeed implements Closable {
  readonly #name: string;
  readonly #path: string;
  readonly #events: PathFeedEvents;
  readonly #watch: MoveWatch;
  #closed = false;

  constructor(name: string, place: MovablePath, time: TimeSource, events: PathFeedEvents) {
    this.#name = name;
    this.#path = place.path;
    this.#events = events;
    this.#watch = new MoveWatch(place, time, () => void this.#read());
    void this.#read();
  }

  close(): void {
    this.#closed = true;
    this.#watch.close();
  }

  async #read(): Promise<void> {
    try {
      const response = await readDiscoveryFile(this.#path);
      if (this.#closed) return;
      this.#events.onSecret(this.#secretIn(response));
      this.#watch.unfinished = false;
    } catch (error) {
      if (this.#closed) return;
      this.#watch.unfinished = true;
      this.#events.onRejected((error as Error).message);
    }
  }

  #secretIn(response: DiscoveryResponse): XdsResource<SecretConfig> {
    const resources = response.resources ?? [];
    const [any] = resources;
    if (any === undefined)
      throw new Error(`Missing SDS resources for ${this.#name} in onConfigUpdate()`);
    if (resources.length > 1) throw new Error(`Unexpected SDS secrets length: ${resources.length}`);
    if (any.type_url !== secretType.typeUrl)
      throw new Error(`${any.type_url} is not ${secretType.typeUrl}`);
    const raw = new Uint8Array(any.value);
    const parsed = secretType.parse(raw);
    if (parsed.name !== this.#name)
      throw new Error(`Unexpected SDS secret (expecting ${this.#name}): ${parsed.name}`);
    const version = response.version_info ?? '';
    return { name: parsed.name, version, raw, config: parsed.toConfig(version) };
  }
}
