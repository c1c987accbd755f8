// [m] ProxySession: what one connected proxy watches, what it was sent and what it made of it. Istio: pilot/pkg/xds/{ads,delta}.go.
import type { Logger } from '../../proxy/base/logger.ts';
import { statusCode } from '../../xds-protos/ads-stream.ts';
import type { Any } from '../../xds-protos/well-known-types.ts';
import { readProxyNode } from './proxy-node.ts';
import type { ProxyNode } from './proxy-node.ts';
import type { ProxyView, PushContext } from './push-context.ts';
import {
  generateAll,
  generateNamed,
  isWildcardType,
  packResource,
  RESOURCE_TYPES,
} from './resource-generator.ts';
import type { GeneratedResource, ResourceType } from './resource-generator.ts';

/** A proxy asks for what its clusters and listeners name; nobody needs more than this. */
const MAX_NAMES = 100_000;
const MAX_NAME_LENGTH = 1024;

/** What a request is refused for; ends the stream with the status. */
export class RequestError extends Error {
  readonly code: number;

  constructor(message: string, code: number = statusCode.invalidArgument) {
    super(message);
    this.code = code;
  }
}

/** Who the proxy has proved to be; undefined on a plaintext port, where anybody may say anything. */
export interface ProvedIdentity {
  readonly namespace: string;
  readonly name: string;
}

/** One type of resource on one stream. */
export class WatchedType {
  /** Asked for by name; unused where all are wanted. */
  readonly names = new Set<string>();
  wildcard = false;
  /** Name to text of what the proxy was sent last. */
  readonly sent = new Map<string, string>();
  nonceSent = '';
  nonceAcked = '';
  /** The proxy's last refusal; empty once it accepted something later. */
  lastError = '';
  /** SotW: after CDS was asked for anew, the next EDS request is answered though nothing changed, so that clusters can warm. */
  alwaysRespond = false;

  subscribe(names: readonly string[]): void {
    for (const name of names) {
      if (name.length > MAX_NAME_LENGTH)
        throw new RequestError(`a resource name is longer than ${MAX_NAME_LENGTH} characters`);
      this.names.add(name);
    }
    if (this.names.size > MAX_NAMES)
      throw new RequestError(`more than ${MAX_NAMES} resource names are asked for`);
  }

  unsubscribe(names: readonly string[]): void {
    for (const name of names) {
      this.names.delete(name);
      this.sent.delete(name);
    }
  }
}

export interface TypeStatus {
  readonly type: ResourceType;
  readonly nonceSent: string;
  readonly nonceAcked: string;
  readonly lastError: string;
}

export interface ProxyStatus {
  readonly id: string;
  readonly types: readonly TypeStatus[];
}

/** What the current configuration is, and how a push is called. */
export interface PushSource {
  readonly push: PushContext;
  /** `<RFC 3339>/<count>`, one for each push. */
  readonly version: string;
  nonce(): string;
}

export interface TypeChanges {
  readonly changed: readonly GeneratedResource[];
  /** Sent once, gone now; wildcard types only. */
  readonly removed: readonly string[];
  /** Everything there is, for protocols that send it all again. */
  readonly all: readonly GeneratedResource[];
}

export class ProxySession {
  readonly source: PushSource;
  readonly #logger: Logger;
  readonly #proved: ProvedIdentity | undefined;
  readonly #watched = new Map<ResourceType, WatchedType>();
  #node: ProxyNode | undefined;
  #view: ProxyView | undefined;

  constructor(source: PushSource, logger: Logger, proved?: ProvedIdentity) {
    this.source = source;
    this.#logger = logger;
    this.#proved = proved;
  }

  get id(): string {
    return this.#node?.id ?? 'unknown';
  }

  /** The first request of a stream carries the node, later ones may. */
  identify(
    node: { readonly id?: string | undefined; readonly metadata?: unknown } | undefined,
  ): void {
    if (this.#node !== undefined) return;
    if (node === undefined)
      throw new RequestError('the first request of a stream must carry the node');
    let read: ProxyNode;
    try {
      read = readProxyNode(node.id ?? '', node.metadata);
    } catch (error) {
      throw new RequestError(error instanceof Error ? error.message : String(error));
    }
    this.#checkIdentity(read);
    this.#node = read;
    this.#logger.info(`ADS: new connection of ${this.#node.id}`);
  }

  /** Istio: PILOT_ENABLE_XDS_IDENTITY_CHECK. A proxy gets what is meant for its own account. */
  #checkIdentity({ namespace, serviceAccount }: ProxyNode): void {
    const proved = this.#proved;
    if (proved === undefined) return;
    const sameAccount = serviceAccount === '' || serviceAccount === proved.name;
    if (proved.namespace === namespace && sameAccount) return;
    throw new RequestError(
      `authorization failed: no identities (${proved.namespace}/${proved.name}) matched ${namespace}/${serviceAccount}`,
      statusCode.permissionDenied,
    );
  }

  /** A new configuration: what the proxy may see has to be found out again. */
  forgetView(): void {
    this.#view = undefined;
  }

  get #currentView(): ProxyView {
    if (this.#node === undefined)
      throw new RequestError('the first request of a stream must carry the node');
    this.#view ??= this.source.push.viewOf(this.#node);
    return this.#view;
  }

  watched(type: ResourceType): WatchedType | undefined {
    return this.#watched.get(type);
  }

  watch(type: ResourceType): WatchedType {
    const watch = new WatchedType();
    this.#watched.set(type, watch);
    return watch;
  }

  unwatch(type: ResourceType): void {
    this.#watched.delete(type);
  }

  /** Everything that is wanted of a type. */
  generate(type: ResourceType, watch: WatchedType): GeneratedResource[] {
    if (isWildcardType(type)) {
      const all = generateAll(type, this.source.push, this.#currentView);
      return watch.wildcard ? all : all.filter(({ name }) => watch.names.has(name));
    }
    return this.generateNames(type, [...watch.names]);
  }

  generateNames(type: 'endpoint' | 'route', names: readonly string[]): GeneratedResource[] {
    return names.map((name) => generateNamed(type, name, this.source.push, this.#currentView));
  }

  changes(type: ResourceType, watch: WatchedType): TypeChanges {
    const all = this.generate(type, watch);
    const names = new Set(all.map(({ name }) => name));
    return {
      all,
      changed: all.filter(({ name, text }) => watch.sent.get(name) !== text),
      removed: [...watch.sent.keys()].filter((name) => !names.has(name)),
    };
  }

  /** Packs for the wire. A resource that we built wrongly is left out and told, so that the others still arrive. */
  pack(
    type: ResourceType,
    resources: readonly GeneratedResource[],
  ): { resource: GeneratedResource; any: Any }[] {
    return resources.flatMap((resource) => {
      try {
        return { resource, any: packResource(type, resource) };
      } catch (error) {
        this.#logger.error(
          `${type} ${resource.name} cannot be sent: ${error instanceof Error ? error.message : String(error)}`,
        );
        return [];
      }
    });
  }

  /** Books a refusal. Nothing is sent in answer; the next push of the type goes on. */
  refused(type: ResourceType, nonce: string, message: string): void {
    const watch = this.#watched.get(type);
    if (watch !== undefined) watch.lastError = message === '' ? 'no reason given' : message;
    this.#logger.warn(`ADS: ${type} NACK of ${this.id}: ${message}`, { nonce });
  }

  accepted(type: ResourceType, watch: WatchedType, nonce: string): void {
    watch.nonceAcked = nonce;
    watch.lastError = '';
    if (this.#logger.debugOn) this.#logger.debug(`ADS: ${type} ACK of ${this.id}`, { nonce });
  }

  pushed(type: ResourceType, count: number, removed: number): void {
    this.#logger.info(`ADS: ${type} push to ${this.id}`, {
      resources: count,
      removed,
      version: this.source.version,
    });
  }

  status(): ProxyStatus {
    const types = RESOURCE_TYPES.flatMap((type): TypeStatus[] => {
      const watch = this.#watched.get(type);
      if (watch === undefined) return [];
      const { nonceSent, nonceAcked, lastError } = watch;
      return [{ type, nonceSent, nonceAcked, lastError }];
    });
    return { id: this.id, types };
  }
}
