// A control plane for one proxy at a time, delta ADS: a table of resources by type and name, written by the test as JSON. What is put
// goes out at once where it was asked for; answers are kept for the test to look at.
import { packAny, typeNameOfUrl, typeUrlOf } from '../../xds-protos/any.ts';
import type { MessageName } from '../../xds-protos/any.ts';
import type { DeltaServerStream } from '../../xds-protos/ads-stream.ts';
import type { DeltaDiscoveryRequest } from '../../xds-protos/gen/envoy.service.discovery.v3.ts';
import { fromJson } from '../../xds-protos/proto-json.ts';
import { AdsServer } from '../../xds-protos/services.ts';
import type { Any } from '../../xds-protos/well-known-types.ts';
import { address } from './proxy-process.ts';

type Json = { readonly [key: string]: unknown };

const TYPES = {
  clusters: 'envoy.config.cluster.v3.Cluster',
  endpoints: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  listeners: 'envoy.config.listener.v3.Listener',
  routes: 'envoy.config.route.v3.RouteConfiguration',
  secrets: 'envoy.extensions.transport_sockets.tls.v3.Secret',
} as const satisfies Record<string, MessageName>;
type Kind = keyof typeof TYPES;

const WILDCARDS: ReadonlySet<string> = new Set([TYPES.clusters, TYPES.listeners]);

interface Named {
  readonly name: string;
  readonly json: Json;
}

export class DeltaControlPlane {
  /** Acknowledged responses, by nonce; a NACK with its text. */
  readonly answers = new Map<string, string>();
  readonly #server = new AdsServer();
  readonly #tables = new Map<string, Map<string, Any>>();
  readonly #asked = new Map<string, Set<string>>();
  #stream: DeltaServerStream | undefined;
  #nonce = 0;

  constructor() {
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

  /** Into the table, and to the proxy where it asked for it; gives the nonce of what was sent. */
  put(kind: Kind, ...resources: readonly Named[]): string {
    const type = TYPES[kind];
    const table = this.#table(type);
    for (const { name, json } of resources) table.set(name, packAny(type, fromJson(type, json)));
    const wanted = resources.map(({ name }) => name).filter((name) => this.#wants(type, name));
    return this.#send(type, wanted, []);
  }

  remove(kind: Kind, name: string): string {
    this.#table(TYPES[kind]).delete(name);
    return this.#send(TYPES[kind], [], [name]);
  }

  #table(type: string): Map<string, Any> {
    const table = this.#tables.get(type) ?? new Map<string, Any>();
    this.#tables.set(type, table);
    return table;
  }

  #wants(type: string, name: string): boolean {
    const asked = this.#asked.get(type);
    return asked !== undefined && (WILDCARDS.has(type) || asked.has(name));
  }

  #serve(stream: DeltaServerStream): void {
    this.#stream = stream;
    this.#asked.clear();
    stream.onMessage((request) => this.#onRequest(request));
  }

  #onRequest(request: DeltaDiscoveryRequest): void {
    const type = typeNameOfUrl(request.type_url ?? '');
    const nonce = request.response_nonce ?? '';
    if (nonce !== '') this.answers.set(nonce, request.error_detail?.message ?? 'ACK');
    const first = !this.#asked.has(type);
    const asked = this.#asked.get(type) ?? new Set<string>();
    this.#asked.set(type, asked);
    for (const name of request.resource_names_unsubscribe ?? []) asked.delete(name);
    const names = request.resource_names_subscribe ?? [];
    for (const name of names) asked.add(name);
    const table = this.#table(type);
    if (WILDCARDS.has(type)) {
      if (first) this.#send(type, [...table.keys()], []);
    } else {
      const found = names.filter((name) => table.has(name));
      if (found.length > 0) this.#send(type, found, []);
    }
  }

  #send(type: string, names: readonly string[], removed: readonly string[]): string {
    const table = this.#table(type);
    const nonce = String(++this.#nonce);
    this.#stream?.send({
      type_url: typeUrlOf(type as MessageName),
      nonce,
      system_version_info: nonce,
      resources: names.map((name) => ({ name, version: nonce, resource: table.get(name)! })),
      removed_resources: [...removed],
    });
    return nonce;
  }
}

export const ADS = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' };

/** What a bootstrap says to be served by it; goes over one with static resources, of which it brings the cluster. */
export const adsBootstrap = (
  port: number,
  listeners: readonly Json[],
  clusters: readonly Json[] = [],
): Json => ({
  dynamic_resources: {
    ads_config: {
      api_type: 'DELTA_GRPC',
      transport_api_version: 'V3',
      grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
    },
    cds_config: ADS,
  },
  static_resources: {
    listeners,
    clusters: [
      ...clusters,
      {
        name: 'xds',
        type: 'STATIC',
        connect_timeout: '5s',
        typed_extension_protocol_options: {
          'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
            '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
            explicit_http_config: { http2_protocol_options: {} },
          },
        },
        load_assignment: {
          cluster_name: 'xds',
          endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
        },
      },
    ],
  },
});

export const edsCluster = (name: string, more: Json = {}): Named => ({
  name,
  json: {
    name,
    type: 'EDS',
    connect_timeout: '1s',
    eds_cluster_config: { eds_config: ADS },
    ...more,
  },
});
