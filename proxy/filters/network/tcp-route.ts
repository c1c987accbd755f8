// [w] Where a TCP session goes: cluster, labels its host must have, what balancers hash (envoy-behaviour §8.1).
import type { MetadataStruct } from '../../config/metadata-value.ts';
import type { TcpProxyConfig } from '../../config/tcp-proxy-config.ts';
import type { RandomSource } from '../../base/random.ts';
import { xxHash64OfWire } from '../../base/xx-hash64.ts';
import { byteText } from '../../base/byte-text.ts';
import type { StreamInfo } from '../../stream-info/stream-info.ts';

/** Filter state that names the cluster instead of the configuration. */
export const CLUSTER_STATE = 'envoy.tcp_proxy.cluster';

export interface TcpRoute {
  readonly cluster: string;
  readonly metadataMatch: MetadataStruct | undefined;
}

export class TcpRoutes {
  readonly #config: TcpProxyConfig;
  readonly #random: RandomSource;
  readonly #totalWeight: number;
  readonly #single: TcpRoute | null;
  readonly #stateKey: string;

  constructor(config: TcpProxyConfig, random: RandomSource) {
    this.#config = config;
    this.#random = random;
    const { cluster, metadataMatch, hashPolicy } = config;
    this.#totalWeight =
      cluster.kind === 'cluster'
        ? 0
        : cluster.clusters.reduce((sum, { weight }) => sum + weight, 0);
    this.#single = cluster.kind === 'cluster' ? { cluster: cluster.name, metadataMatch } : null;
    this.#stateKey = hashPolicy?.kind === 'filter_state' ? byteText(hashPolicy.key) : '';
  }

  /** A new choice for each attempt. */
  choose(info: StreamInfo): TcpRoute {
    const route = this.#single === null ? this.#weighted() : this.#named(this.#single, info);
    const labels = info.dynamicMetadata?.namespace('envoy.lb');
    if (labels === undefined || labels.size === 0) return route;
    return {
      cluster: route.cluster,
      metadataMatch: new Map([...(route.metadataMatch ?? []), ...labels]),
    };
  }

  /** Undefined: nothing to hash. */
  hashKey(info: StreamInfo): bigint | undefined {
    switch (this.#config.hashPolicy?.kind) {
      case undefined:
        return undefined;
      case 'source_ip':
        return info.remoteIp === '' ? undefined : xxHash64OfWire(info.remoteIp);
      case 'filter_state': {
        const object = info.filterState?.get(this.#stateKey);
        return object?.hashable === true && object.text !== null
          ? xxHash64OfWire(object.text)
          : undefined;
      }
    }
  }

  #named(single: TcpRoute, info: StreamInfo): TcpRoute {
    const cluster = info.filterState?.get(CLUSTER_STATE)?.text;
    return cluster === undefined || cluster === null
      ? single
      : { cluster, metadataMatch: single.metadataMatch };
  }

  #weighted(): TcpRoute {
    const { cluster, metadataMatch } = this.#config;
    if (cluster.kind === 'cluster') return { cluster: cluster.name, metadataMatch };
    let roll = this.#random.nextUint32() % this.#totalWeight;
    let chosen = cluster.clusters[0]!;
    for (const entry of cluster.clusters) {
      chosen = entry;
      if (roll < entry.weight) break;
      roll -= entry.weight;
    }
    const own = chosen.metadataMatch;
    return {
      cluster: chosen.name,
      metadataMatch:
        own === undefined || metadataMatch === undefined
          ? (own ?? metadataMatch)
          : new Map([...metadataMatch, ...own]),
    };
  }
}
