// [w] WeightedClusters: the split of a route's requests (envoy-behaviour §3.3).
import type { ClusterSpecifierConfig, WeightedClusterConfig } from '../config/route-config.ts';
import type { RequestHeaders } from '../http/header-map.ts';
import { headerName } from '../http/headers.ts';
import type { HeaderName } from '../http/headers.ts';
import type { StreamInfo } from '../stream-info/stream-info.ts';
import { ConfigError } from '../config/config-error.ts';
import { HeaderMutator } from './header-mutator.ts';
import { compilePerFilter } from './per-filter-settings.ts';
import type { PerFilterSettings } from './per-filter-settings.ts';
import { nonEmptyWireText } from './wire-text.ts';

export class WeightedCluster {
  readonly name: string;
  readonly weight: number;
  readonly requestMutator: HeaderMutator | null;
  readonly responseMutator: HeaderMutator | null;
  readonly perFilter: PerFilterSettings | null;
  readonly hostRewriteLiteral: string | undefined;

  constructor(config: WeightedClusterConfig, place: string) {
    this.name = config.name;
    this.weight = config.weight;
    this.requestMutator = HeaderMutator.forRequests(config.headers, place);
    this.responseMutator = HeaderMutator.forResponses(config.headers, place);
    this.perFilter = compilePerFilter(config.perFilter, null);
    this.hostRewriteLiteral = nonEmptyWireText(config.hostRewriteLiteral);
  }
}

const MAX_UINT64 = '18446744073709551615';

export class WeightedClusters {
  readonly #entries: readonly WeightedCluster[];
  readonly #total: number;
  readonly #header: HeaderName | null;
  /** Some entry changes the request or its settings: otherwise only the name matters. */
  readonly entriesDiffer: boolean;

  /** Throws ConfigError with `place` when there is no weight, or a bad %COMMAND%. */
  constructor(config: ClusterSpecifierConfig & { kind: 'weighted' }, place: string) {
    this.#entries = config.clusters.map(
      (cluster, i) => new WeightedCluster(cluster, `${place}.clusters[${i}]`),
    );
    this.#total = config.clusters.reduce((sum, cluster) => sum + cluster.weight, 0);
    if (this.#total <= 0 || this.#total > 0xffffffff) {
      const message = 'sum of weights has to be between 1 and 4294967295';
      throw new ConfigError([{ path: place, message }]);
    }
    this.#header =
      config.headerName === undefined || config.headerName === ''
        ? null
        : headerName(config.headerName);
    this.entriesDiffer = this.#entries.some(
      (entry) =>
        entry.requestMutator !== null ||
        entry.responseMutator !== null ||
        entry.perFilter !== null ||
        entry.hostRewriteLiteral !== undefined,
    );
  }

  get entries(): readonly WeightedCluster[] {
    return this.#entries;
  }

  /** The same entry for one stream however often it is asked. */
  pick(headers: RequestHeaders, info: StreamInfo): WeightedCluster {
    let selected = this.#selected(headers, info);
    const entries = this.#entries;
    const last = entries.length - 1;
    for (let i = 0; i < last; i++) {
      const entry = entries[i]!;
      if (selected < entry.weight) return entry;
      selected -= entry.weight;
    }
    return entries[last]!;
  }

  #selected(headers: RequestHeaders, info: StreamInfo): number {
    if (this.#header !== null) {
      const text = headers.getAny(this.#header);
      const value = text === undefined ? -1 : uint64Modulo(text, this.#total);
      if (value >= 0 && headers.getAll(this.#header).length === 1) return value;
    }
    return info.streamRandom % this.#total;
  }
}

/** A decimal uint64 modulo `divisor` (below 2^32), -1 when the text is none. */
export function uint64Modulo(text: string, divisor: number): number {
  if (text.length === 0 || text.length > 20) return -1;
  let remainder = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    remainder = (remainder * 10 + digit) % divisor;
  }
  return text.length === 20 && text > MAX_UINT64 ? -1 : remainder;
}
