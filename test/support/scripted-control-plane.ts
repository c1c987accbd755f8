// A control plane that speaks every discovery service, aggregated or not, delta and state of the world: a table of resources by type and
// name, written by the test as JSON; what is put goes out where it was asked for. What the proxy said is kept, for comparisons.
import type { handleBidiStreamingCall } from '@grpc/grpc-js';

import { packAny, typeNameOfUrl, typeUrlOf } from '../../xds-protos/any.ts';
import type { MessageName } from '../../xds-protos/any.ts';
import type { AdsServerStream } from '../../xds-protos/ads-stream.ts';
import { statusCode } from '../../xds-protos/ads-stream.ts';
import { encode } from '../../xds-protos/codec.ts';
import { deltaMethod, DISCOVERY_SERVICES, sotwMethod } from '../../xds-protos/discovery-methods.ts';
import type { DiscoveryService } from '../../xds-protos/discovery-methods.ts';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
  Resource,
} from '../../xds-protos/gen/envoy.service.discovery.v3.ts';
import { methodDefinition, ServerStream } from '../../xds-protos/grpc-library.ts';
import { GrpcServer } from '../../xds-protos/grpc-server.ts';
import { fromJson } from '../../xds-protos/proto-json.ts';
import type { Any } from '../../xds-protos/well-known-types.ts';

export type Json = { readonly [key: string]: unknown };

export const TYPES = {
  clusters: 'envoy.config.cluster.v3.Cluster',
  endpoints: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  listeners: 'envoy.config.listener.v3.Listener',
  routes: 'envoy.config.route.v3.RouteConfiguration',
  scopes: 'envoy.config.route.v3.ScopedRouteConfiguration',
  virtualHosts: 'envoy.config.route.v3.VirtualHost',
  secrets: 'envoy.extensions.transport_sockets.tls.v3.Secret',
  runtime: 'envoy.service.runtime.v3.Runtime',
  extensions: 'envoy.config.core.v3.TypedExtensionConfig',
} as const satisfies Record<string, MessageName>;
export type Kind = keyof typeof TYPES;

const WILDCARDS: ReadonlySet<string> = new Set([TYPES.clusters, TYPES.listeners, TYPES.scopes]);

/** One request in words: what was asked, answered, on which stream. */
export interface SeenRequest {
  readonly service: DiscoveryService;
  /** 1 for the first stream. */
  readonly stream: number;
  readonly type: string;
  readonly text: string;
  readonly nack: string;
}

interface Entry {
  readonly any: Any;
  readonly version: string;
  readonly ttlSeconds: number | undefined;
  readonly aliases: readonly string[];
}

interface OpenStream {
  readonly service: DiscoveryService;
  /** By type: what is wanted; undefined: not asked for. */
  readonly asked: Map<string, Set<string>>;
  send(type: string, names: readonly string[], removed: readonly string[]): string;
  end(): void;
}

export interface PutOptions {
  readonly ttlSeconds?: number;
  readonly aliases?: readonly string[];
  /** Bytes instead of JSON. */
  readonly raw?: Any;
}

export class ScriptedControlPlane {
  readonly requests: SeenRequest[] = [];
  /** By nonce: `ACK`, or the text of the NACK. */
  readonly answers = new Map<string, string>();
  readonly #server = new GrpcServer();
  readonly #tables = new Map<string, Map<string, Entry>>();
  readonly #streams = new Set<OpenStream>();
  readonly #beating = new Set<string>();
  #streamCount = 0;
  #nonce = 0;
  #version = 0;
  port = 0;

  constructor() {
    for (const service of DISCOVERY_SERVICES) this.#addService(service);
  }

  /** Or `unix:/path`: then there is no port. */
  async listen(at = '127.0.0.1:0'): Promise<number> {
    const target = await this.#server.listen(at);
    if (at.startsWith('unix:')) return 0;
    this.port = Number(target.slice(target.lastIndexOf(':') + 1));
    return this.port;
  }

  close(): void {
    this.#server.close();
  }

  get openStreams(): readonly DiscoveryService[] {
    return [...this.#streams].map(({ service }) => service);
  }

  /** Into the table, without a word. */
  set(kind: Kind, name: string, json: Json, options: PutOptions = {}): void {
    const type = TYPES[kind];
    // Fields that are undefined are not there.
    const plain: unknown = JSON.parse(JSON.stringify(json));
    this.#table(type).set(name, {
      any: options.raw ?? packAny(type, fromJson(type, plain)),
      version: `v${++this.#version}`,
      ttlSeconds: options.ttlSeconds,
      aliases: options.aliases ?? [],
    });
  }

  /** Into the table and to who asked for it; nonces of what was sent. */
  put(kind: Kind, name: string, json: Json, options: PutOptions = {}): readonly string[] {
    this.set(kind, name, json, options);
    return this.push(kind, [name]);
  }

  /** What the table has of these names, to who asked for them. */
  push(kind: Kind, names: readonly string[]): readonly string[] {
    const type = TYPES[kind];
    const nonces: string[] = [];
    for (const stream of this.#streams) {
      const asked = stream.asked.get(type);
      const wanted = names.filter((name) => asked !== undefined && this.#wants(type, asked, name));
      if (wanted.length > 0) nonces.push(stream.send(type, wanted, []));
    }
    return nonces;
  }

  remove(kind: Kind, name: string): readonly string[] {
    const type = TYPES[kind];
    this.#table(type).delete(name);
    return [...this.#streams]
      .filter((stream) => stream.asked.has(type))
      .map((stream) => stream.send(type, [], [name]));
  }

  /** All that changes of one kind, in one response to each who asked. */
  update(kind: Kind, changed: ReadonlyMap<string, Any>, removed: readonly string[]): void {
    const type = TYPES[kind];
    for (const [name, raw] of changed) this.set(kind, name, {}, { raw });
    for (const name of removed) this.#table(type).delete(name);
    for (const stream of this.#streams) {
      const asked = stream.asked.get(type);
      if (asked === undefined) continue;
      const wanted = [...changed.keys()].filter((name) => this.#wants(type, asked, name));
      const gone = removed.filter((name) => this.#wants(type, asked, name));
      if (wanted.length + gone.length > 0) stream.send(type, wanted, gone);
    }
  }

  /** Confirms a resource without sending it again, to those who asked by delta. */
  heartbeat(kind: Kind, name: string): void {
    this.#beating.add(name);
    this.push(kind, [name]);
    this.#beating.delete(name);
  }

  /** Ends every stream as a restarting server does. */
  endStreams(): void {
    for (const stream of this.#streams) stream.end();
    this.#streams.clear();
  }

  /** Requests of one type, oldest first. */
  said(kind: Kind): readonly SeenRequest[] {
    return this.requests.filter(({ type }) => type === TYPES[kind]);
  }

  #table(type: string): Map<string, Entry> {
    const table = this.#tables.get(type) ?? new Map<string, Entry>();
    this.#tables.set(type, table);
    return table;
  }

  #wants(type: string, asked: ReadonlySet<string>, name: string): boolean {
    return asked.has(name) || asked.has('*') || (WILDCARDS.has(type) && asked.size === 0);
  }

  #wanted(type: string, asked: ReadonlySet<string>): readonly string[] {
    return [...this.#table(type).keys()].filter((name) => this.#wants(type, asked, name));
  }

  #addService(service: DiscoveryService): void {
    const delta = deltaMethod(service);
    const sotw = sotwMethod(service);
    const onDelta: handleBidiStreamingCall<DeltaDiscoveryRequest, DeltaDiscoveryResponse> = (
      call,
    ) => this.#serveDelta(service, new ServerStream(call));
    const onSotw: handleBidiStreamingCall<DiscoveryRequest, DiscoveryResponse> = (call) =>
      this.#serveSotw(service, new ServerStream(call));
    const name = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
    this.#server.grpc.addService(
      {
        [name(delta.path)]: methodDefinition(delta),
        [name(sotw.path)]: methodDefinition(sotw),
      },
      { [name(delta.path)]: onDelta, [name(sotw.path)]: onSotw },
    );
  }

  #serveDelta(
    service: DiscoveryService,
    stream: AdsServerStream<DeltaDiscoveryResponse, DeltaDiscoveryRequest>,
  ): void {
    const open = this.#open(service, stream, (type, names, removed) => {
      const nonce = String(++this.#nonce);
      const table = this.#table(type);
      stream.send({
        type_url: typeUrlOf(type as MessageName),
        nonce,
        system_version_info: `s${this.#version}`,
        resources: names.flatMap((each) => {
          const entry = table.get(each);
          if (entry === undefined) return [];
          const { resource, ...bare } = wrapped(each, entry);
          return [this.#beating.has(each) ? bare : { ...bare, resource }];
        }),
        removed_resources: [...removed],
      });
      return nonce;
    });
    const number = this.#streamCount;
    stream.onMessage((request) => {
      const type = typeNameOfUrl(request.type_url ?? '');
      const subscribe = request.resource_names_subscribe ?? [];
      const unsubscribe = request.resource_names_unsubscribe ?? [];
      const versions = [...(request.initial_resource_versions ?? new Map<string, string>())];
      this.#note({ service, stream: number, type }, request, [
        ...(subscribe.length > 0 ? [`+${subscribe.join(',')}`] : []),
        ...(unsubscribe.length > 0 ? [`-${unsubscribe.join(',')}`] : []),
        ...(versions.length > 0 ? [`has ${versions.map((pair) => pair.join('=')).join(',')}`] : []),
      ]);
      const first = !open.asked.has(type);
      const asked = open.asked.get(type) ?? new Set<string>();
      open.asked.set(type, asked);
      for (const each of unsubscribe) asked.delete(each);
      for (const each of subscribe) asked.add(each);
      const fresh = first ? this.#wanted(type, asked) : this.#wanted(type, new Set(subscribe));
      if (first ? fresh.length > 0 : subscribe.length > 0 && fresh.length > 0)
        open.send(type, fresh, []);
    });
  }

  #serveSotw(
    service: DiscoveryService,
    stream: AdsServerStream<DiscoveryResponse, DiscoveryRequest>,
  ): void {
    const open = this.#open(service, stream, (type) => {
      const nonce = String(++this.#nonce);
      const table = this.#table(type);
      const names = this.#wanted(type, open.asked.get(type) ?? new Set());
      stream.send({
        type_url: typeUrlOf(type as MessageName),
        nonce,
        version_info: `s${this.#version}`,
        resources: names.map((each) => {
          const entry = table.get(each)!;
          if (entry.ttlSeconds === undefined && entry.aliases.length === 0) return entry.any;
          return packAny('envoy.service.discovery.v3.Resource', wrapped(each, entry));
        }),
      });
      return nonce;
    });
    const number = this.#streamCount;
    stream.onMessage((request) => {
      const type = typeNameOfUrl(request.type_url ?? '');
      const names = new Set(request.resource_names ?? []);
      this.#note({ service, stream: number, type }, request, [
        ...(names.size > 0 ? [[...names].join(',')] : []),
        ...((request.version_info ?? '') === '' ? [] : [`at ${request.version_info}`]),
      ]);
      const before = open.asked.get(type);
      open.asked.set(type, names);
      const changed = before === undefined || [...names].some((each) => !before.has(each));
      if (changed && this.#wanted(type, names).length > 0) open.send(type, [], []);
    });
  }

  #open(
    service: DiscoveryService,
    stream: AdsServerStream<never, never> | AdsServerStream<unknown, unknown>,
    send: OpenStream['send'],
  ): OpenStream {
    this.#streamCount++;
    const open: OpenStream = {
      service,
      asked: new Map(),
      send,
      end: () => stream.end({ code: statusCode.unavailable, reason: 'restarts' }),
    };
    this.#streams.add(open);
    stream.onEnd(() => this.#streams.delete(open));
    return open;
  }

  #note(
    where: Pick<SeenRequest, 'service' | 'stream' | 'type'>,
    request: DeltaDiscoveryRequest | DiscoveryRequest,
    words: readonly string[],
  ): void {
    const nonce = request.response_nonce ?? '';
    const nack = request.error_detail?.message ?? '';
    if (nonce !== '' && this.answers.get(nonce) === undefined)
      this.answers.set(nonce, request.error_detail === undefined ? 'ACK' : nack);
    this.requests.push({
      ...where,
      nack,
      text: [
        ...(request.node === undefined ? [] : ['node']),
        ...words,
        ...(nonce === '' ? [] : [request.error_detail === undefined ? 'ACK' : 'NACK']),
      ].join(' '),
    });
  }
}

function wrapped(name: string, { any, version, ttlSeconds, aliases }: Entry): Resource {
  return {
    name,
    version,
    resource: any,
    aliases: [...aliases],
    ...(ttlSeconds === undefined ? {} : { ttl: durationOf(ttlSeconds) }),
  };
}

const durationOf = (seconds: number): { seconds: number; nanos: number } => ({
  seconds: Math.floor(seconds),
  nanos: Math.round((seconds % 1) * 1e9),
});

/** A resource as bytes, for what JSON cannot say. */
export const rawResource = (kind: Kind, bytes: Uint8Array): Any => ({
  type_url: typeUrlOf(TYPES[kind]),
  value: bytes,
});

export const bytesOf = (kind: Kind, json: Json): Uint8Array =>
  encode(TYPES[kind], fromJson(TYPES[kind], json));
