// [m] DeltaSession: one DeltaAggregatedResources stream. Rules: xDS protocol, "Incremental xDS"; Istio: pilot/pkg/xds/delta.go.
import type { DeltaServerStream } from '../../xds-protos/ads-stream.ts';
import type { DeltaDiscoveryRequest } from '../../xds-protos/gen/envoy.service.discovery.v3.ts';
import { isWildcardType, typeOfUrl, typeUrlOf } from './resource-generator.ts';
import type { GeneratedResource, ResourceType } from './resource-generator.ts';
import type { ProxySession, WatchedType } from './proxy-session.ts';

const WILDCARD = '*';

export class DeltaSession {
  readonly #stream: DeltaServerStream;
  readonly #session: ProxySession;
  #blocked = false;
  #pushWaits = false;

  constructor(stream: DeltaServerStream, session: ProxySession) {
    this.#stream = stream;
    this.#session = session;
    stream.onDrain(() => this.#drained());
  }

  /** Throws a RequestError for what ends the stream. */
  onRequest(request: DeltaDiscoveryRequest): void {
    this.#session.identify(request.node);
    const type = typeOfUrl(request.type_url ?? '');
    // Types that are not made here (NDS, SDS over ADS …) are simply never answered.
    if (type === undefined) return;
    const nonce = request.response_nonce ?? '';
    if (request.error_detail !== undefined)
      return this.#session.refused(type, nonce, request.error_detail.message ?? '');
    const watch = this.#session.watched(type);
    if (watch === undefined) return this.#first(type, request);
    if (nonce !== '' && nonce === watch.nonceSent) this.#session.accepted(type, watch, nonce);
    this.#changed(type, watch, request);
  }

  /** Always answered. Names that the client still holds are wanted, and those that are gone are told. */
  #first(type: ResourceType, request: DeltaDiscoveryRequest): void {
    const watch = this.#session.watch(type);
    const subscribe = request.resource_names_subscribe ?? [];
    const held = [...(request.initial_resource_versions?.keys() ?? [])];
    watch.wildcard =
      isWildcardType(type) && (subscribe.length === 0 || subscribe.includes(WILDCARD));
    watch.subscribe(subscribe.filter((name) => name !== WILDCARD));
    if (!watch.wildcard) watch.subscribe(held);
    this.#unsubscribe(watch, request.resource_names_unsubscribe ?? []);
    const resources = this.#session.generate(type, watch);
    const names = new Set(resources.map(({ name }) => name));
    this.#send(
      type,
      watch,
      resources,
      watch.wildcard ? held.filter((name) => !names.has(name)) : [],
    );
    if (type === 'cluster') this.#forceEndpoints(resources);
  }

  #unsubscribe(watch: WatchedType, names: readonly string[]): void {
    if (names.includes(WILDCARD)) watch.wildcard = false;
    watch.unsubscribe(names);
  }

  /** A subscription is answered with the names it adds, again also when they were sent before. */
  #changed(type: ResourceType, watch: WatchedType, request: DeltaDiscoveryRequest): void {
    this.#unsubscribe(watch, request.resource_names_unsubscribe ?? []);
    const subscribe = request.resource_names_subscribe ?? [];
    if (subscribe.length === 0) return;
    watch.subscribe(subscribe.filter((name) => name !== WILDCARD));
    if (isWildcardType(type) && subscribe.includes(WILDCARD)) watch.wildcard = true;
    const wanted = new Set(subscribe);
    const resources = isWildcardType(type)
      ? this.#session
          .generate(type, watch)
          .filter(({ name }) => wanted.has(WILDCARD) || wanted.has(name))
      : this.#session.generateNames(
          type,
          subscribe.filter((name) => name !== WILDCARD),
        );
    this.#send(type, watch, resources, []);
    if (type === 'cluster') this.#forceEndpoints(resources);
  }

  /** A cluster that comes or changes waits for its endpoints, though they be the same as before. */
  #forceEndpoints(clusters: readonly GeneratedResource[]): void {
    const watch = this.#session.watched('endpoint');
    if (watch === undefined) return;
    const names = clusters.map(({ name }) => name).filter((name) => watch.names.has(name));
    if (names.length > 0)
      this.#send('endpoint', watch, this.#session.generateNames('endpoint', names), []);
  }

  /** A new configuration is in force. A proxy that does not keep up gets the newest once it does. */
  push(): void {
    this.#session.forgetView();
    if (this.#blocked) {
      this.#pushWaits = true;
      return;
    }
    const gone = this.#pushClusters();
    this.#pushEndpoints(gone);
    this.#pushType('listener');
    this.#pushType('route');
    this.#pushType('name-table');
    this.#removeClusters(gone);
  }

  #drained(): void {
    this.#blocked = false;
    if (!this.#pushWaits) return;
    this.#pushWaits = false;
    this.push();
  }

  /** What is new first; what is gone stays until no route names it any more. */
  #pushClusters(): readonly string[] {
    const watch = this.#session.watched('cluster');
    if (watch === undefined) return [];
    const { changed, removed } = this.#session.changes('cluster', watch);
    if (changed.length > 0) this.#send('cluster', watch, changed, []);
    const endpoints = this.#session.watched('endpoint');
    // Forgotten, so that they go out again behind their cluster.
    for (const { name } of changed) endpoints?.sent.delete(name);
    return removed;
  }

  /** Not those of clusters that go: emptied, they would fail requests that still are on their way. */
  #pushEndpoints(gone: readonly string[]): void {
    const watch = this.#session.watched('endpoint');
    if (watch === undefined) return;
    const { changed } = this.#session.changes('endpoint', watch);
    const alive = changed.filter(({ name }) => !gone.includes(name));
    if (alive.length > 0) this.#send('endpoint', watch, alive, []);
  }

  #pushType(type: 'listener' | 'route' | 'name-table'): void {
    const watch = this.#session.watched(type);
    if (watch === undefined) return;
    const { changed, removed } = this.#session.changes(type, watch);
    if (changed.length > 0 || removed.length > 0) this.#send(type, watch, changed, removed);
  }

  #removeClusters(gone: readonly string[]): void {
    const watch = this.#session.watched('cluster');
    if (watch === undefined || gone.length === 0) return;
    this.#send('cluster', watch, [], gone);
    const endpoints = this.#session.watched('endpoint');
    for (const name of gone) endpoints?.sent.delete(name);
  }

  #send(
    type: ResourceType,
    watch: WatchedType,
    resources: readonly GeneratedResource[],
    removed: readonly string[],
  ): void {
    const packed = this.#session.pack(type, resources);
    for (const { resource } of packed) watch.sent.set(resource.name, resource.text);
    for (const name of removed) watch.sent.delete(name);
    watch.nonceSent = this.#session.source.nonce();
    this.#session.pushed(type, packed.length, removed.length);
    const keepsUp = this.#stream.send({
      system_version_info: this.#session.source.version,
      type_url: typeUrlOf(type),
      nonce: watch.nonceSent,
      resources: packed.map(({ resource, any }) => ({ name: resource.name, resource: any })),
      removed_resources: [...removed],
    });
    if (!keepsUp) this.#blocked = true;
  }
}
