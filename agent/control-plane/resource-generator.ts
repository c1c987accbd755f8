// [m] ResourceGenerator: for one proxy and one type of resource, the named messages. Istio: pilot/pkg/xds generators.
import { encode } from '../../xds-protos/codec.ts';
import { fromJson } from '../../xds-protos/proto-json.ts';
import type { Any } from '../../xds-protos/well-known-types.ts';
import { buildClusters } from './cluster-builder.ts';
import { buildEndpoints } from './endpoint-builder.ts';
import { nameOf } from './json.ts';
import type { JsonObject } from './json.ts';
import { buildListeners } from './listener-builder.ts';
import { buildNameTable } from './name-table-builder.ts';
import type { ProxyView, PushContext } from './push-context.ts';
import { buildRouteConfiguration } from './route-builder.ts';

/** In the order in which they are pushed: what is named before what names it. */
export const RESOURCE_TYPES = ['cluster', 'endpoint', 'listener', 'route', 'name-table'] as const;
export type ResourceType = (typeof RESOURCE_TYPES)[number];

const MESSAGES = {
  cluster: 'envoy.config.cluster.v3.Cluster',
  endpoint: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'envoy.config.listener.v3.Listener',
  route: 'envoy.config.route.v3.RouteConfiguration',
  'name-table': 'istio.networking.nds.v1.NameTable',
} as const;

export const typeUrlOf = (type: ResourceType): string => `type.googleapis.com/${MESSAGES[type]}`;

export const typeOfUrl = (typeUrl: string): ResourceType | undefined =>
  RESOURCE_TYPES.find((type) => typeUrlOf(type) === typeUrl);

/** Asked for all together; endpoints and routes by the names that clusters and listeners carry. */
export type WildcardType = Exclude<ResourceType, 'endpoint' | 'route'>;

export const isWildcardType = (type: ResourceType): type is WildcardType =>
  type !== 'endpoint' && type !== 'route';

/** A resource as JSON text: equal texts are equal resources, so a change is seen without encoding. */
export interface GeneratedResource {
  readonly name: string;
  readonly text: string;
}

const generated = (name: string, message: JsonObject): GeneratedResource => ({
  name,
  text: JSON.stringify(message),
});

/** All resources of a wildcard type, in order. */
export function generateAll(
  type: WildcardType,
  push: PushContext,
  view: ProxyView,
): GeneratedResource[] {
  // One, and it has no name.
  if (type === 'name-table') return [generated('', buildNameTable(push, view))];
  const messages = type === 'cluster' ? buildClusters(push, view) : buildListeners(push, view);
  return messages.map((message) => generated(nameOf(message), message));
}

/** A name that stands for nothing gets an empty message: a proxy that asks must be able to go on. */
export function generateNamed(
  type: 'endpoint' | 'route',
  name: string,
  push: PushContext,
  view: ProxyView,
): GeneratedResource {
  return generated(
    name,
    type === 'endpoint'
      ? buildEndpoints(push, view, name)
      : buildRouteConfiguration(push, view, name),
  );
}

/** The message on the wire. Throws a ProtoJsonError when a builder and the message definition disagree. */
export function packResource(type: ResourceType, { text }: GeneratedResource): Any {
  const json: unknown = JSON.parse(text);
  const value =
    type === 'cluster'
      ? encode(MESSAGES.cluster, fromJson(MESSAGES.cluster, json))
      : type === 'endpoint'
        ? encode(MESSAGES.endpoint, fromJson(MESSAGES.endpoint, json))
        : type === 'listener'
          ? encode(MESSAGES.listener, fromJson(MESSAGES.listener, json))
          : type === 'route'
            ? encode(MESSAGES.route, fromJson(MESSAGES.route, json))
            : encode(MESSAGES['name-table'], fromJson(MESSAGES['name-table'], json));
  return { type_url: typeUrlOf(type), value };
}
