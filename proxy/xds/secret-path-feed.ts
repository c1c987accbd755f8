// [m] SecretPathFeed: a secret from a file that holds a DiscoveryResponse, read again whenever the file is another
// (envoy-behaviour §9.4, §13.1, path_config_source).
import { decode } from '../../xds-protos/codec.ts';
import { fromJson } from '../../xds-protos/proto-json.ts';
import type { DiscoveryResponse } from '../../xds-protos/gen/envoy.service.discovery.v3.ts';
import type { TimeSource } from '../base/clock.ts';
import { FileWatch } from '../base/file-watch.ts';
import type { Closable } from '../base/lifetime.ts';
import { fs } from '../base/node-builtins.ts';
import type { SecretConfig, SecretSourceConfig } from '../config/secret-config.ts';
import { secretType } from './resource-types.ts';
import type { XdsResource } from './resource-watcher.ts';

const RESPONSE = 'envoy.service.discovery.v3.DiscoveryResponse';
const MAX_FILE_BYTES = 4 * 1024 * 1024;
const DEBOUNCE_MS = 20;

export interface PathFeedEvents {
  /** Throws in words where it cannot be used. */
  onSecret(resource: XdsResource<SecretConfig>): void;
  onRejected(reason: string): void;
}

export class SecretPathFeed implements Closable {
  readonly #name: string;
  readonly #path: string;
  readonly #events: PathFeedEvents;
  readonly #watch: FileWatch;
  #closed = false;

  constructor(
    name: string,
    source: Extract<SecretSourceConfig, { kind: 'path' }>,
    time: TimeSource,
    events: PathFeedEvents,
  ) {
    this.#name = name;
    this.#path = source.path;
    this.#events = events;
    const paths =
      source.watchedDirectory === '' ? [source.path] : [source.path, source.watchedDirectory];
    const parts = { time, debounceMs: DEBOUNCE_MS, onFailure: () => {} };
    this.#watch = new FileWatch(paths, parts, () => void this.#read());
    void this.#read();
  }

  close(): void {
    this.#closed = true;
    this.#watch.close();
  }

  async #read(): Promise<void> {
    try {
      const response = await readResponse(this.#path);
      if (!this.#closed) this.#events.onSecret(this.#secretIn(response));
    } catch (error) {
      if (!this.#closed) this.#events.onRejected((error as Error).message);
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

async function readResponse(path: string): Promise<DiscoveryResponse> {
  let bytes: Buffer;
  try {
    if (fs.statSync(path).size > MAX_FILE_BYTES) throw new Error('too large');
    bytes = fs.readFileSync(path);
  } catch {
    throw new Error(`unable to read file: ${path}`);
  }
  if (path.endsWith('.pb')) return decode(RESPONSE, bytes);
  const text = bytes.toString('utf8');
  // Messages of the parsers show the text they stumble over: it may be a key.
  let value: unknown;
  try {
    if (path.endsWith('.yaml') || path.endsWith('.yml')) {
      const { parse } = await import('yaml');
      value = parse(text, { maxAliasCount: 50, schema: 'core' });
    } else value = JSON.parse(text);
  } catch {
    throw new Error(`Unable to parse ${path}`);
  }
  return fromJson(RESPONSE, value);
}
