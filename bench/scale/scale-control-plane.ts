// A control plane for one proxy: answers delta subscriptions from a table of resources, and pushes what is changed in it.
import { typeNameOfUrl, typeUrlOf } from '../../xds-protos/any.ts';
import type { DeltaServerStream } from '../../xds-protos/ads-stream.ts';
import type { DeltaDiscoveryRequest } from '../../xds-protos/gen/envoy.service.discovery.v3.ts';
import { AdsServer } from '../../xds-protos/services.ts';
import type { NamedResource } from './mesh-resources.ts';
import { RESOURCE_TYPES } from './mesh-resources.ts';

type ResourceType = (typeof RESOURCE_TYPES)[keyof typeof RESOURCE_TYPES];

/** Asked for with no name, which means all. */
const WILDCARDS: ReadonlySet<string> = new Set([RESOURCE_TYPES.clusters, RESOURCE_TYPES.listeners]);

export class ScaleControlPlane {
  /** What the proxy refused. */
  readonly nacks: string[] = [];
  readonly #server = new AdsServer();
  readonly #tables = new Map<string, Map<string, NamedResource>>();
  readonly #answeredWildcards = new Set<string>();
  #stream: DeltaServerStream | undefined;
  #version = 1;

  constructor(resources: ReadonlyMap<ResourceType, readonly NamedResource[]>) {
    for (const [type, list] of resources)
      this.#tables.set(type, new Map(list.map((one) => [one.name, one])));
    this.#server.addHandlers({
      delta: (stream) => this.#serve(stream),
      sotw: (stream) => stream.end(),
    });
  }

  /** Resolves with the port. */
  async listen(): Promise<number> {
    const target = await this.#server.listen('127.0.0.1:0');
    return Number(target.slice(target.lastIndexOf(':') + 1));
  }

  close(): void {
    this.#server.close();
  }

  push(type: ResourceType, changed: NamedResource): void {
    this.#tables.get(type)?.set(changed.name, changed);
    this.#version++;
    this.#send(type, [changed]);
  }

  #serve(stream: DeltaServerStream): void {
    this.#stream = stream;
    this.#answeredWildcards.clear();
    stream.onMessage((request) => this.#answer(request));
  }

  #answer(request: DeltaDiscoveryRequest): void {
    const type = typeNameOfUrl(request.type_url ?? '');
    if (request.error_detail !== undefined)
      this.nacks.push(`${type}: ${request.error_detail.message ?? ''}`);
    const table = this.#tables.get(type);
    if (table === undefined) return;
    const names = request.resource_names_subscribe ?? [];
    const first = WILDCARDS.has(type) && !this.#answeredWildcards.has(type);
    if (first) {
      this.#answeredWildcards.add(type);
      this.#send(type as ResourceType, [...table.values()]);
    } else if (names.length > 0) {
      const found = names.map((name) => table.get(name)).filter((one) => one !== undefined);
      this.#send(type as ResourceType, found);
    }
  }

  #send(type: ResourceType, resources: readonly NamedResource[]): void {
    const version = String(this.#version);
    this.#stream?.send({
      type_url: typeUrlOf(type),
      nonce: `${type}-${version}-${resources.length}`,
      system_version_info: version,
      resources: resources.map(({ name, resource }) => ({ name, version, resource })),
    });
  }
}
