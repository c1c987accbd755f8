// [m] One resource type: what is asked for, what is held, what the last answers were. The same for both protocols
// (envoy-behaviour §13.2–13.4): bytes that are no message refuse the whole response; a message that is no usable
// configuration refuses itself only, and its last good version stays.
import { bug } from '../base/assert.ts';
import type { Logger } from '../base/logger.ts';
import type { TimeSource } from '../base/clock.ts';
import { ConfigError } from '../config/config-error.ts';
import type { FieldObserver } from './config-problems.ts';
import type { FieldNotices } from './field-notices.ts';
import { ResourceTtls } from './resource-ttls.ts';
import type { SubscriptionStats } from './subscription-stats.ts';
import type {
  RejectedResource,
  ResourceProblem,
  ResourceWatcher,
  XdsResource,
  XdsResourceKind,
} from './resource-watcher.ts';

/** What a type is and how its bytes become configuration. */
export interface ResourceType<T> {
  readonly kind: XdsResourceKind;
  readonly typeUrl: string;
  /** All resources of the type are wanted (CDS, LDS). */
  readonly wildcard: boolean;
  /** Of a type that is asked for by name: what the server takes back is gone. Absent: it stays in use. */
  readonly removable?: boolean;
  /** Of a wildcard type: it is not asked for before somebody requests it. */
  readonly onRequest?: boolean;
  /** As in "Error adding/updating cluster(s)". */
  readonly noun: string;
  /** Throws when `bytes` are no message of this type; the name is known even where the configuration is refused. */
  parse(bytes: Uint8Array, watch?: FieldObserver): ParsedResource<T>;
}

export interface ParsedResource<T> {
  readonly name: string;
  /** Throws ConfigError. */
  toConfig(version: string): T;
}

/** One resource as it came, wrapper taken off. */
export interface WireResource {
  /** `Resource.name` in delta; '' where only the message itself has it. */
  readonly name: string;
  readonly version: string;
  readonly typeUrl: string;
  /** Undefined: heartbeat or aliases only, nothing to apply. */
  readonly bytes: Uint8Array | undefined;
  /** How long it holds from now on; absent: for ever. */
  readonly ttlMs?: number;
}

export interface ResourceResponse {
  /** `version_info` or `system_version_info`. */
  readonly version: string;
  readonly resources: readonly WireResource[];
  readonly removed: readonly string[];
  /** SotW: names of a wildcard type that are not in the response are gone. */
  readonly complete: boolean;
}

export interface SubscriptionSnapshot {
  readonly kind: XdsResourceKind;
  readonly typeUrl: string;
  readonly wildcard: boolean;
  readonly names: readonly string[];
  /** Last accepted. */
  readonly version: string;
  readonly heldCount: number;
  readonly responses: number;
  readonly lastNack: NackRecord | undefined;
}

export interface NackRecord {
  readonly version: string;
  readonly message: string;
  readonly wallMs: number;
}

interface HeldResource {
  version: string;
  readonly raw: Uint8Array;
}

interface Candidate<T> {
  readonly parsed: ParsedResource<T>;
  readonly version: string;
  readonly raw: Uint8Array;
  readonly ttlMs: number | undefined;
}

const MAX_NACK_LENGTH = 4096;
const TRUNCATED = '...(truncated)';

const truncated = (message: string): string =>
  message.length <= MAX_NACK_LENGTH
    ? message
    : message.slice(0, MAX_NACK_LENGTH - TRUNCATED.length) + TRUNCATED;

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.byteLength === b.byteLength && Buffer.compare(a, b) === 0;

export interface SubscriptionContext {
  readonly stats: SubscriptionStats;
  readonly time: TimeSource;
  readonly log: Logger;
  /** Undefined: fields that are unknown or deprecated are nobody's concern. */
  readonly fields?: FieldNotices | undefined;
}

export class SubscriptionState<T> {
  readonly type: ResourceType<T>;
  readonly #watcher: ResourceWatcher<T>;
  readonly #stats: SubscriptionStats;
  readonly #time: TimeSource;
  readonly #log: Logger;
  readonly #fields: FieldNotices | undefined;
  #names: ReadonlySet<string> = new Set();
  readonly #held = new Map<string, HeldResource>();
  /** Names whose newest bytes were refused, by the decoder or the watcher. */
  readonly #refused = new Set<string>();
  readonly #ttls: ResourceTtls;
  #version = '';
  #responses = 0;
  #asked = false;
  #overdue = false;
  #requested = false;
  #lastNack: NackRecord | undefined = undefined;

  constructor(type: ResourceType<T>, watcher: ResourceWatcher<T>, context: SubscriptionContext) {
    this.type = type;
    this.#watcher = watcher;
    this.#stats = context.stats;
    this.#time = context.time;
    this.#log = context.log;
    this.#fields = context.fields;
    this.#ttls = new ResourceTtls(context.time, (name) => this.#onExpired(name));
  }

  get names(): ReadonlySet<string> {
    return this.#names;
  }

  /** Last accepted version of a whole response. */
  get version(): string {
    return this.#version;
  }

  /** Whether any response was worked through, good or bad, or is waited for no longer. */
  get answered(): boolean {
    return this.#responses > 0 || this.#overdue;
  }

  /** Replaces the asked names; what is no longer asked for is forgotten. Of a wildcard type: names besides all that there are. */
  setNames(names: ReadonlySet<string>): void {
    this.#names = new Set(names);
    if (this.type.wildcard) return;
    for (const name of this.#held.keys()) if (!this.#names.has(name)) this.#forget(name);
    for (const name of this.#refused) if (!this.#names.has(name)) this.#refused.delete(name);
  }

  /** From now on all of the type is wanted. */
  request(): void {
    this.#requested = true;
  }

  /** Whether something of this type is wanted at all. */
  get wanted(): boolean {
    if (this.type.onRequest === true) return this.#requested;
    return this.type.wildcard || this.#names.size > 0;
  }

  /** For `initial_resource_versions`. */
  *heldVersions(): IterableIterator<readonly [name: string, version: string]> {
    for (const [name, held] of this.#held) yield [name, held.version];
  }

  snapshot(): SubscriptionSnapshot {
    return {
      kind: this.type.kind,
      typeUrl: this.type.typeUrl,
      wildcard: this.type.wildcard,
      names: [...this.#names],
      version: this.#version,
      heldCount: this.#held.size,
      responses: this.#responses,
      lastNack: this.#lastNack,
    };
  }

  /** Asked for, on this stream or a later one. */
  onSubscribed(): void {
    if (!this.#asked) this.#stats.onAttempt();
    this.#asked = true;
  }

  close(): void {
    this.#ttls.close();
  }

  onConnectionFailure(): void {
    this.#stats.onFailure();
  }

  /** Once, when the first answer is overdue. */
  onInitialFetchTimeout(): void {
    if (this.#responses > 0) return;
    this.#overdue = true;
    this.#stats.onInitialFetchTimeout();
    this.#log.warn(`no ${this.type.noun} within the initial fetch time-out; going on without`);
    this.#watcher.onInitialFetchTimeout?.();
  }

  /** Works through a response; the text of the NACK, or undefined for an ACK. */
  apply(response: ResourceResponse): string | undefined {
    this.#responses++;
    const startMs = this.#time.monotonicMs();
    const outcome = this.#apply(response);
    if (outcome === undefined) {
      this.#version = response.version;
      this.#stats.onSuccess(
        response.version,
        this.#time.wallMs(),
        this.#time.monotonicMs() - startMs,
      );
      return undefined;
    }
    const message = truncated(outcome);
    this.#lastNack = { version: response.version, message, wallMs: this.#time.wallMs() };
    this.#stats.onRejected();
    this.#log.warn(`${this.type.noun} refused: ${message}`, { version: response.version });
    return message;
  }

  #apply(response: ResourceResponse): string | undefined {
    const candidates = new Map<string, Candidate<T>>();
    const problems: ResourceProblem[] = [];
    const fatal = this.#parseAll(response, candidates, problems);
    if (fatal !== undefined) {
      // Whoever waits for the first answer waits no longer (envoy-behaviour §13.5).
      if (this.#responses === 1) this.#notify([], []);
      return fatal;
    }

    const upserts: XdsResource<T>[] = [];
    const rejected: RejectedResource[] = [];
    for (const [name, candidate] of candidates) this.#decode(name, candidate, upserts, rejected);
    const removed = this.#removedNames(response, candidates);

    const nothingSaid = response.resources.length === 0 && response.removed.length === 0;
    if (upserts.length > 0 || removed.length > 0 || nothingSaid || this.#responses === 1) {
      problems.push(...this.#notify(upserts, removed));
    }
    for (const r of rejected) problems.push({ name: r.name, message: r.message });
    this.#commit(upserts, removed, problems);
    this.#keepTime(response, candidates);
    if (rejected.length > 0) this.#watcher.onRejected?.(rejected);
    return problems.length === 0 ? undefined : this.#describe(problems);
  }

  /** Text when the whole response is to be refused. */
  // oxlint-disable-next-line eslint/complexity -- each refusal Envoy knows, in its order
  #parseAll(
    response: ResourceResponse,
    candidates: Map<string, Candidate<T>>,
    problems: ResourceProblem[],
  ): string | undefined {
    for (const resource of response.resources) {
      if (resource.bytes === undefined) continue;
      if (resource.typeUrl !== this.type.typeUrl) {
        return `type URL ${resource.typeUrl} embedded in an individual Any does not match the message-wide type URL ${this.type.typeUrl} in DiscoveryResponse`;
      }
      let parsed: ParsedResource<T>;
      try {
        parsed = this.type.parse(resource.bytes, this.#fields?.watch());
      } catch (error) {
        return `${resource.name || this.type.noun}: not a ${this.type.typeUrl} message: ${(error as Error).message}`;
      }
      const name = parsed.name;
      if (!this.type.wildcard && resource.name !== '' && resource.name !== name) {
        problems.push({
          name: resource.name,
          message: `unexpected ${this.type.noun} (expecting ${resource.name}): ${name}`,
        });
        continue;
      }
      if (!this.type.wildcard && !this.#names.has(name)) continue;
      if (candidates.has(name)) {
        if (!response.complete) return `duplicate name ${name} found among added/updated resources`;
        problems.push({ name, message: `duplicate ${this.type.noun} ${name} found` });
        continue;
      }
      candidates.set(name, {
        parsed,
        version: resource.version || response.version,
        raw: resource.bytes,
        ttlMs: resource.ttlMs,
      });
    }
    if (response.complete) return undefined;
    for (const name of response.removed) {
      if (candidates.has(name))
        return `duplicate name ${name} found in the union of added+removed resources`;
    }
    return undefined;
  }

  #decode(
    name: string,
    candidate: Candidate<T>,
    upserts: XdsResource<T>[],
    rejected: RejectedResource[],
  ): void {
    const held = this.#held.get(name);
    // After a refusal the watcher is told even of bytes it holds: what it noted about the refused ones is over.
    if (held !== undefined && !this.#refused.has(name) && sameBytes(held.raw, candidate.raw)) {
      held.version = candidate.version;
      this.#watcher.onUnchanged?.(name, candidate.version);
      return;
    }
    const version = candidate.version;
    // A copy: a view would keep the buffer of the whole response alive for as long as one resource of it lives.
    const raw = new Uint8Array(candidate.raw);
    try {
      upserts.push({ name, version, raw, config: candidate.parsed.toConfig(version) });
    } catch (error) {
      // What a peer sends must never end the main thread, not even by a mistake of ours.
      if (!(error instanceof ConfigError))
        bug(`decoder of ${this.type.kind} threw: ${String((error as Error).stack)}`);
      rejected.push({ name, version, raw, message: (error as Error).message });
    }
  }

  #removedNames(
    response: ResourceResponse,
    candidates: ReadonlyMap<string, Candidate<T>>,
  ): readonly string[] {
    if (this.type.removable === true && !response.complete)
      return response.removed.filter((name) => this.#names.has(name));
    if (!this.type.wildcard) {
      // The server says it has none; what was held stays in use (§13.4), but a later answer counts as new.
      for (const name of response.removed) {
        if (this.#forget(name))
          this.#log.debug(`${this.type.noun} ${name} removed by the server; kept in use`);
      }
      return [];
    }
    if (!response.complete)
      return response.removed.filter(
        (name) => this.#held.has(name) || this.#refused.has(name) || this.#names.has(name),
      );
    const known = new Set([...this.#held.keys(), ...this.#refused]);
    const heartbeats = new Set(
      response.resources.filter((r) => r.bytes === undefined).map((r) => r.name),
    );
    return [...known].filter((name) => !candidates.has(name) && !heartbeats.has(name));
  }

  #notify(
    upserts: readonly XdsResource<T>[],
    removed: readonly string[],
  ): readonly ResourceProblem[] {
    try {
      return this.#watcher.onUpdate(upserts, removed);
    } catch (error) {
      bug(`watcher of ${this.type.kind} threw: ${String((error as Error).stack ?? error)}`);
      const message = `internal error: ${(error as Error).message}`;
      return upserts.length === 0
        ? [{ name: '', message }]
        : upserts.map((u) => ({ name: u.name, message }));
    }
  }

  #commit(
    upserts: readonly XdsResource<T>[],
    removed: readonly string[],
    problems: readonly ResourceProblem[],
  ): void {
    const refused = new Set(problems.map((p) => p.name));
    for (const name of removed) {
      this.#forget(name);
      this.#refused.delete(name);
    }
    // setNames may have run within the watcher: what is no longer asked for is not kept.
    const wanted = (name: string): boolean => this.type.wildcard || this.#names.has(name);
    for (const { name, version, raw } of upserts) {
      if (refused.has(name) || !wanted(name)) continue;
      this.#held.set(name, { version, raw });
      this.#refused.delete(name);
    }
    for (const name of refused) if (name !== '' && wanted(name)) this.#refused.add(name);
  }

  /** What is not held has no time to keep. */
  #keepTime(response: ResourceResponse, candidates: ReadonlyMap<string, Candidate<T>>): void {
    for (const [name, { ttlMs }] of candidates)
      if (this.#held.has(name)) this.#ttls.set(name, ttlMs);
    for (const { name, bytes, version, ttlMs } of response.resources) {
      // Without bytes it is a heartbeat for one version, or names aliases.
      if (bytes !== undefined || ttlMs === undefined) continue;
      if (this.#held.get(name)?.version === version) this.#ttls.set(name, ttlMs);
    }
  }

  #onExpired(name: string): void {
    this.#log.info(`${this.type.noun} ${name}: the server has not confirmed it in time`);
    this.#forget(name);
    if (this.type.wildcard || this.type.removable === true) this.#notify([], [name]);
  }

  /** False: it was not held. */
  #forget(name: string): boolean {
    this.#ttls.delete(name);
    return this.#held.delete(name);
  }

  #describe(problems: readonly ResourceProblem[]): string {
    const parts = problems.map((p) => (p.name === '' ? p.message : `${p.name}: ${p.message}`));
    return `Error adding/updating ${this.type.noun}(s) ${parts.join(', ')}`;
  }
}
