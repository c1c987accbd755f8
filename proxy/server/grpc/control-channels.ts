// [m] ControlChannels: main's own connections to gRPC services (ADS, access logs): one IoThread for all, made with the first.
import type { TimeSource } from '../../base/clock.ts';
import type { ClusterConfig } from '../../config/cluster-config.ts';
import type { AddressConfig } from '../../config/listener-config.ts';
import { IoThread } from '../../network/io-thread.ts';
import type { StatsStore } from '../../stats/store.ts';
import { Http2Channel } from './http2-channel.ts';

/** As the codec of messages has it; one CDS answer of a large mesh has to fit. */
const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;

export class ControlChannels {
  readonly #time: TimeSource;
  readonly #stats: StatsStore;
  #io: IoThread | null = null;

  constructor(time: TimeSource, stats: StatsStore) {
    this.#time = time;
    this.#stats = stats;
  }

  /** Dials nothing before its first stream. `authority` '': the cluster's name, as Envoy's gRPC client says. */
  open(
    cluster: Pick<ClusterConfig, 'name' | 'statName' | 'connectTimeoutMs'>,
    address: AddressConfig,
    authority: string,
  ): Http2Channel {
    this.#io ??= new IoThread(this.#time);
    return new Http2Channel({
      io: this.#io,
      address,
      authority: authority === '' ? cluster.name : authority,
      statName: cluster.statName,
      stats: this.#stats,
      connectTimeoutMs: cluster.connectTimeoutMs,
      maxMessageBytes: MAX_MESSAGE_BYTES,
    });
  }
}
