// [m] AdsTransport over gRPC: plain requests and responses to protobuf messages and back.
import type { StreamStatus } from '../../xds-protos/ads-stream.ts';
import { unpackAnyAs } from '../../xds-protos/any.ts';
import { deltaMethod, sotwMethod } from '../../xds-protos/discovery-methods.ts';
import type { DiscoveryService } from '../../xds-protos/discovery-methods.ts';
import type { Node } from '../../xds-protos/gen/envoy.config.core.v3.ts';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
  Resource,
} from '../../xds-protos/gen/envoy.service.discovery.v3.ts';
import type { GrpcChannel } from '../../xds-protos/grpc-channel.ts';
import { openMessageStream } from '../../xds-protos/message-stream.ts';
import { ProtoError } from '../../xds-protos/proto-error.ts';
import type { Any, Duration, JsonObject } from '../../xds-protos/well-known-types.ts';
import type { NodeConfig } from '../config/bootstrap-config.ts';
import { NACK_CODE } from './ads-mux.ts';
import type { AdsMode, DeltaAdsRequest, SotwAdsRequest } from './ads-mux.ts';
import type { AdsStream, AdsStreamHandlers, AdsTransport } from './ads-transport.ts';
import type { WireResource } from './subscription-state.ts';

const WRAPPER = 'envoy.service.discovery.v3.Resource';

export interface GrpcAdsTransportOptions {
  readonly channel: GrpcChannel;
  readonly node: NodeConfig;
  /** Default the aggregated one. */
  readonly service?: DiscoveryService;
  /** `user_agent_build_version` in words, for istiod's logs; '' leaves it out. */
  readonly userAgentVersion: string;
}

/** Opens nothing until the first stream is asked for. */
export function grpcAdsTransport(options: GrpcAdsTransportOptions): GrpcAdsTransport {
  return new GrpcAdsTransport(options);
}

export class GrpcAdsTransport implements AdsTransport {
  readonly #channel: GrpcChannel;
  readonly #node: Node;
  readonly #service: DiscoveryService;

  constructor(options: GrpcAdsTransportOptions) {
    this.#service = options.service ?? 'aggregated';
    this.#channel = options.channel;
    this.#node = nodeMessage(options);
  }

  open(mode: AdsMode, handlers: AdsStreamHandlers): AdsStream {
    return mode === 'delta' ? this.#openDelta(handlers) : this.#openSotw(handlers);
  }

  close(): void {
    this.#channel.close();
  }

  #openDelta(handlers: AdsStreamHandlers): AdsStream {
    const stream = openMessageStream(this.#channel, deltaMethod(this.#service), {
      onMessage: (message) => handlers.onResponse(fromDelta(message)),
      onDrain() {},
      onEnd: (status) => handlers.onEnd(endOf(status)),
    });
    return {
      send: (request, withNode) => {
        if (request.mode === 'delta')
          stream.send(toDelta(request, withNode ? this.#node : undefined));
      },
      cancel: () => stream.cancel(),
    };
  }

  #openSotw(handlers: AdsStreamHandlers): AdsStream {
    const stream = openMessageStream(this.#channel, sotwMethod(this.#service), {
      onMessage: (message) => handlers.onResponse(fromSotw(message)),
      onDrain() {},
      onEnd: (status) => handlers.onEnd(endOf(status)),
    });
    return {
      send: (request, withNode) => {
        if (request.mode === 'sotw')
          stream.send(toSotw(request, withNode ? this.#node : undefined));
      },
      cancel: () => stream.cancel(),
    };
  }
}

const endOf = ({ code, reason }: StreamStatus): { ok: boolean; reason: string } => ({
  ok: code === 0,
  reason: `gRPC status ${code}${reason === '' ? '' : `: ${reason}`}`,
});

export function nodeMessage({
  node,
  userAgentVersion,
}: Pick<GrpcAdsTransportOptions, 'node' | 'userAgentVersion'>): Node {
  return {
    id: node.id,
    cluster: node.cluster,
    metadata: JSON.parse(node.metadataJson) as JsonObject,
    locality: node.locality && {
      region: node.locality.region,
      zone: node.locality.zone,
      sub_zone: node.locality.subZone,
    },
    user_agent_name: 'envoy',
    ...(userAgentVersion === '' ? {} : { user_agent_version: userAgentVersion }),
  };
}

const errorDetail = (nack: string | undefined): { code: number; message: string } | undefined =>
  nack === undefined ? undefined : { code: NACK_CODE, message: nack };

function toDelta(request: DeltaAdsRequest, node: Node | undefined): DeltaDiscoveryRequest {
  return {
    node,
    type_url: request.typeUrl,
    resource_names_subscribe: [...request.subscribe],
    resource_names_unsubscribe: [...request.unsubscribe],
    initial_resource_versions: new Map(request.initialVersions),
    response_nonce: request.nonce,
    error_detail: errorDetail(request.nack),
  };
}

function toSotw(request: SotwAdsRequest, node: Node | undefined): DiscoveryRequest {
  return {
    version_info: request.version,
    node,
    resource_names: [...request.names],
    type_url: request.typeUrl,
    response_nonce: request.nonce,
    error_detail: errorDetail(request.nack),
  };
}

type IncomingResponse = Parameters<AdsStreamHandlers['onResponse']>[0];

function fromDelta(message: DeltaDiscoveryResponse): IncomingResponse {
  return {
    typeUrl: message.type_url ?? '',
    version: message.system_version_info ?? '',
    nonce: message.nonce ?? '',
    resources: (message.resources ?? []).map(fromWrapper),
    removed: message.removed_resources ?? [],
    complete: false,
    controlPlaneIdentifier: message.control_plane?.identifier ?? '',
  };
}

function fromSotw(message: DiscoveryResponse): IncomingResponse {
  return {
    typeUrl: message.type_url ?? '',
    version: message.version_info ?? '',
    nonce: message.nonce ?? '',
    resources: (message.resources ?? []).map(wireResourceOf),
    removed: [],
    complete: true,
    controlPlaneIdentifier: message.control_plane?.identifier ?? '',
  };
}

/** A wrapper without a resource is a heartbeat or names aliases: nothing to apply. */
function fromWrapper(wrapper: Resource): WireResource {
  return {
    name: wrapper.name ?? '',
    version: wrapper.version ?? '',
    typeUrl: wrapper.resource?.type_url ?? '',
    bytes: wrapper.resource?.value,
    ...(wrapper.ttl === undefined ? {} : { ttlMs: millisecondsOf(wrapper.ttl) }),
  };
}

const millisecondsOf = ({ seconds, nanos }: Duration): number =>
  Math.max(0, seconds * 1000 + nanos / 1e6);

/** SotW may wrap resources, too. A malformed wrapper stays one, and is refused for its type. */
export function wireResourceOf(any: Any): WireResource {
  const plain = { name: '', version: '', typeUrl: any.type_url, bytes: any.value };
  try {
    const wrapper = unpackAnyAs(WRAPPER, any);
    return wrapper === undefined ? plain : fromWrapper(wrapper);
  } catch (error) {
    if (!(error instanceof ProtoError)) throw error;
    return plain;
  }
}
