// [m] DiscoveryChannels: transports of streams that carry one kind of resource, over one channel for each cluster that serves
// some. The cluster is looked for when a stream opens: it may come after what names it.
import type { TimeSource } from '../base/clock.ts';
import { lazyPart } from '../base/lazy-part.ts';
import type { NodeConfig } from '../config/bootstrap-config.ts';
import type { DiscoveryService } from '../../xds-protos/discovery-methods.ts';
import type { GrpcChannel } from '../../xds-protos/grpc-channel.ts';
import type { AdsMode } from './ads-mux.ts';
import type { AdsStream, AdsStreamHandlers, AdsTransport } from './ads-transport.ts';
import type { GrpcAdsTransport } from './grpc-ads-transport.ts';

const adsTransport = lazyPart<typeof import('./grpc-ads-transport.ts')>('xds/grpc-ads-transport');

export interface DiscoveryChannelsDeps {
  /** To a host of the cluster; a sentence says why there is none. */
  readonly connect: (cluster: string) => GrpcChannel | string;
  readonly node: NodeConfig;
  readonly userAgentVersion: string;
  readonly time: TimeSource;
}

interface Shared {
  readonly channel: GrpcChannel;
  users: number;
}

export class DiscoveryChannels {
  readonly #deps: DiscoveryChannelsDeps;
  readonly #shared = new Map<string, Shared>();

  constructor(deps: DiscoveryChannelsDeps) {
    this.#deps = deps;
  }

  /** The connection is closed with the last transport of its cluster. */
  transport(cluster: string, service: DiscoveryService): AdsTransport {
    let transport: GrpcAdsTransport | undefined;
    return {
      open: (mode, handlers) => {
        const found = transport ?? this.#create(cluster, service);
        if (typeof found === 'string') return this.#fail(found, handlers);
        transport = found;
        return found.open(mode, handlers);
      },
      close: () => {
        if (transport !== undefined) this.#release(cluster);
        transport = undefined;
      },
    };
  }

  #create(cluster: string, service: DiscoveryService): GrpcAdsTransport | string {
    const { node, userAgentVersion } = this.#deps;
    const shared = this.#find(cluster);
    if (typeof shared === 'string') return `cluster '${cluster}': ${shared}`;
    shared.users++;
    return adsTransport().grpcAdsTransport({
      channel: shared.channel,
      node,
      userAgentVersion,
      service,
    });
  }

  #find(cluster: string): Shared | string {
    const known = this.#shared.get(cluster);
    if (known !== undefined) return known;
    const channel = this.#deps.connect(cluster);
    if (typeof channel === 'string') return channel;
    const shared = { channel, users: 0 };
    this.#shared.set(cluster, shared);
    return shared;
  }

  #release(cluster: string): void {
    const shared = this.#shared.get(cluster);
    if (shared === undefined || --shared.users > 0) return;
    this.#shared.delete(cluster);
    shared.channel.close();
  }

  /** As a stream that ends at once, so that the client backs off as for any other. */
  #fail(reason: string, handlers: AdsStreamHandlers): AdsStream {
    const timer = this.#deps.time.setTimer(() => handlers.onEnd({ ok: false, reason }), 0);
    return { send() {}, cancel: () => timer.cancel() };
  }
}

export const modeOf = (delta: boolean): AdsMode => (delta ? 'delta' : 'sotw');
