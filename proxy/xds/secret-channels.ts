// [m] SecretChannels: transports to gRPC services of secrets, one for each cluster, shared by the streams of its secrets. The cluster is
// looked for when a stream opens: it may come after the secret that names it.
import type { TimeSource } from '../base/clock.ts';
import type { NodeConfig } from '../config/bootstrap-config.ts';
import type { GrpcChannel } from '../../xds-protos/grpc-channel.ts';
import type { AdsMode } from './ads-mux.ts';
import type { AdsStream, AdsStreamHandlers, AdsTransport } from './ads-transport.ts';
import { grpcAdsTransport } from './grpc-ads-transport.ts';

export interface SecretChannelsDeps {
  /** To a host of the cluster; a sentence says why there is none. */
  readonly connect: (cluster: string) => GrpcChannel | string;
  readonly node: NodeConfig;
  readonly userAgentVersion: string;
  readonly time: TimeSource;
}

interface Shared {
  readonly transport: AdsTransport;
  users: number;
}

export class SecretChannels {
  readonly #deps: SecretChannelsDeps;
  readonly #shared = new Map<string, Shared>();

  constructor(deps: SecretChannelsDeps) {
    this.#deps = deps;
  }

  /** The connection is closed with the last transport of its cluster. */
  transport(cluster: string): AdsTransport {
    let used = false;
    return {
      open: (mode, handlers) => {
        const shared = this.#find(cluster);
        if (typeof shared === 'string') return this.#fail(shared, handlers);
        if (!used) shared.users++;
        used = true;
        return shared.transport.open(mode, handlers);
      },
      close: () => {
        if (used) this.#release(cluster);
        used = false;
      },
    };
  }

  #find(cluster: string): Shared | string {
    const known = this.#shared.get(cluster);
    if (known !== undefined) return known;
    const { connect, node, userAgentVersion } = this.#deps;
    const channel = connect(cluster);
    if (typeof channel === 'string') return `cluster '${cluster}': ${channel}`;
    const transport = grpcAdsTransport({ channel, node, userAgentVersion, secretsOnly: true });
    const shared = { transport, users: 0 };
    this.#shared.set(cluster, shared);
    return shared;
  }

  #release(cluster: string): void {
    const shared = this.#shared.get(cluster);
    if (shared === undefined || --shared.users > 0) return;
    this.#shared.delete(cluster);
    shared.transport.close();
  }

  /** As a stream that ends at once, so that the client backs off as for any other. */
  #fail(reason: string, handlers: AdsStreamHandlers): AdsStream {
    const timer = this.#deps.time.setTimer(() => handlers.onEnd({ ok: false, reason }), 0);
    return { send() {}, cancel: () => timer.cancel() };
  }
}

export const secretMode = (delta: boolean): AdsMode => (delta ? 'delta' : 'sotw');
