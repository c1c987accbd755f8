// [m] ControlChannels: main's own connections to gRPC services (ADS, SDS, access logs): one IoThread for all, made with the first.
import type { TimeSource } from '../../base/clock.ts';
import { lazyPart } from '../../base/lazy-part.ts';
import type { ClusterConfig } from '../../config/cluster-config.ts';
import type { Http2Channel } from '../../grpc/http2-channel.ts';
import { IoThread } from '../../network/io-thread.ts';
import type { UpstreamTransport } from '../../network/upstream-transport.ts';
import type { StatsStore } from '../../stats/store.ts';
import type { ActiveCluster } from '../../upstream/cluster-version.ts';
import type { Host } from '../../upstream/host.ts';
import { transportSocketFor } from '../../upstream/transport-socket-choice.ts';
import { grpcHost } from '../log-forwarder.ts';
import type { ControlTls } from './control-tls.ts';

const channel = lazyPart<typeof import('../../grpc/http2-channel.ts')>('grpc/http2-channel');

/** As the codec of messages has it; one CDS answer of a large mesh has to fit. */
const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;

export class ControlChannels {
  readonly #time: TimeSource;
  readonly #stats: StatsStore;
  readonly #tls: ControlTls;
  #io: IoThread | null = null;

  constructor(time: TimeSource, stats: StatsStore, tls: ControlTls) {
    this.#time = time;
    this.#stats = stats;
    this.#tls = tls;
  }

  /** Dials nothing before its first stream. `authority` '': the cluster's name, as Envoy's gRPC client says. */
  open(cluster: ClusterConfig, host: Host, authority: string): Http2Channel {
    this.#io ??= new IoThread(this.#time);
    return new (channel().Http2Channel)({
      io: this.#io,
      address: host.address,
      transport: this.#transportOf(cluster, host),
      authority: authority === '' ? cluster.name : authority,
      statName: cluster.statName,
      stats: this.#stats,
      connectTimeoutMs: cluster.connectTimeoutMs,
      maxMessageBytes: MAX_MESSAGE_BYTES,
    });
  }

  /** To a first usable host of the cluster of that name; a sentence: why there is none. */
  openTo(
    clusters: readonly Pick<ActiveCluster, 'config' | 'localities'>[],
    name: string,
    authority: string,
  ): Http2Channel | string {
    const found = grpcHost(clusters, name);
    return typeof found === 'string' ? found : this.open(found.config, found.host, authority);
  }

  /** gRPC is HTTP/2, whatever the cluster says of its protocol. */
  #transportOf(cluster: ClusterConfig, host: Host): UpstreamTransport | null {
    const socket = transportSocketFor(cluster, host);
    if (socket.kind !== 'tls') return null;
    const own = socket.settings.alpnProtocols;
    const overrides = { key: 'grpc', applicationProtocols: own.length > 0 ? own : ['h2'] };
    return this.#tls.transports.transportFor({ cluster, socket, host, overrides });
  }
}
