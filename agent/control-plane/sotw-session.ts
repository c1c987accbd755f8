// [m] SotwSession: one StreamAggregatedResources stream. Rules: xDS protocol, "State of the world"; Istio: pilot/pkg/xds/ads.go.
import type { SotwServerStream } from '../../xds-protos/ads-stream.ts';
import type { DiscoveryRequest } from '../../xds-protos/gen/envoy.service.discovery.v3.ts';
import { isWildcardType, RESOURCE_TYPES, typeOfUrl, typeUrlOf } from './resource-generator.ts';
import type { GeneratedResource, ResourceType } from './resource-generator.ts';
import type { ProxySession, WatchedType } from './proxy-session.ts';

export class SotwSession {
  readonly #stream: SotwServerStream;
  readonly #session: ProxySession;
  #blocked = false;
  #pushWaits = false;

  constructor(stream: SotwServerStream, session: ProxySession) {
    this.#stream = stream;
    this.#session = session;
    stream.onDrain(() => this.#drained());
  }

  /** Throws a RequestError for what ends the stream. */
  onRequest(request: DiscoveryRequest): void {
    this.#session.identify(request.node);
    const type = typeOfUrl(request.type_url ?? '');
    // Types that are not made here (SDS over ADS …) are simply never answered.
    if (type === undefined) return;
    const nonce = request.response_nonce ?? '';
    const names = request.resource_names ?? [];
    if (request.error_detail !== undefined)
      return this.#session.refused(type, nonce, request.error_detail.message ?? '');
    // Without names a type that is asked for by name is no longer wanted.
    if (!isWildcardType(type) && names.length === 0) return this.#session.unwatch(type);
    const watch = this.#session.watched(type);
    if (watch === undefined || nonce === '') return this.#first(type, names);
    // An answer to something that has been overtaken: the answer to the newest follows.
    if (nonce !== watch.nonceSent) return;
    this.#session.accepted(type, watch, nonce);
    if (!isWildcardType(type)) this.#renamed(type, watch, names);
  }

  #first(type: ResourceType, names: readonly string[]): void {
    const watch = this.#session.watch(type);
    watch.wildcard = isWildcardType(type) && names.length === 0;
    watch.subscribe(names);
    this.#send(type, watch, this.#session.generate(type, watch));
    this.#expectEndpointRequest(type);
  }

  /** Names that come are answered, and only they; names that go are not. */
  #renamed(type: ResourceType, watch: WatchedType, names: readonly string[]): void {
    const wanted = new Set(names);
    const added = names.filter((name) => !watch.names.has(name));
    watch.unsubscribe([...watch.names].filter((name) => !wanted.has(name)));
    watch.subscribe(names);
    const answer = watch.alwaysRespond ? names : added;
    watch.alwaysRespond = false;
    if (answer.length > 0 && !isWildcardType(type))
      this.#send(type, watch, this.#session.generateNames(type, answer));
  }

  #expectEndpointRequest(type: ResourceType): void {
    const endpoints = this.#session.watched('endpoint');
    if (type === 'cluster' && endpoints !== undefined) endpoints.alwaysRespond = true;
  }

  /** A new configuration is in force. A proxy that does not keep up gets the newest once it does. */
  push(): void {
    this.#session.forgetView();
    if (this.#blocked) {
      this.#pushWaits = true;
      return;
    }
    for (const type of RESOURCE_TYPES) this.#pushType(type);
  }

  #pushType(type: ResourceType): void {
    const watch = this.#session.watched(type);
    if (watch === undefined) return;
    const { all, changed, removed } = this.#session.changes(type, watch);
    if (changed.length === 0 && removed.length === 0) return;
    // Clusters and listeners that a response leaves out are gone: it must carry all of them.
    this.#send(type, watch, isWildcardType(type) ? all : changed);
    if (type !== 'cluster') return;
    // A cluster that comes or changes waits for its endpoints, though they be the same as before.
    const endpoints = this.#session.watched('endpoint');
    for (const { name } of changed) endpoints?.sent.delete(name);
  }

  #drained(): void {
    this.#blocked = false;
    if (!this.#pushWaits) return;
    this.#pushWaits = false;
    this.push();
  }

  #send(type: ResourceType, watch: WatchedType, resources: readonly GeneratedResource[]): void {
    const packed = this.#session.pack(type, resources);
    if (isWildcardType(type)) watch.sent.clear();
    for (const { resource } of packed) watch.sent.set(resource.name, resource.text);
    watch.nonceSent = this.#session.source.nonce();
    this.#session.pushed(type, packed.length, 0);
    const keepsUp = this.#stream.send({
      version_info: this.#session.source.version,
      type_url: typeUrlOf(type),
      nonce: watch.nonceSent,
      resources: packed.map(({ any }) => any),
    });
    if (!keepsUp) this.#blocked = true;
  }
}
