// [w] The smaller gates: cluster by SNI, filter state of the connection, rate of new connections.
import type { NetworkRateLimitConfig } from '../../config/network-filter-config.ts';
import type { SetFilterStateConfig } from '../../config/metadata-filter-config.ts';
import type { TimeSource } from '../../base/clock.ts';
import type { Runtime } from '../../base/runtime.ts';
import type { FormatEnvironment } from '../../access-log/format-environment.ts';
import { RequestHeaders } from '../../http/header-map.ts';
import { FilterState } from '../../stream-info/filter-state.ts';
import { ResponseFlag } from '../../stream-info/response-flags.ts';
import { StreamInfo } from '../../stream-info/stream-info.ts';
import type { DownstreamConnectionInfo } from '../../stream-info/stream-info.ts';
import type { StatId, StatsStore } from '../../stats/store.ts';
import { FilterStateUpdate } from '../http/set-filter-state.ts';
import type { SharedTokenBucket } from '../http/shared-token-bucket.ts';
import type { GateVerdict, GatedConnection, NetworkGate } from './network-gate.ts';
import { CLUSTER_STATE } from './tcp-route.ts';

const stateOf = (info: DownstreamConnectionInfo): FilterState =>
  (info.filterState ??= new FilterState());

/** envoy.filters.network.sni_cluster: tcp_proxy's cluster is the name the client asked for, where it asked for one. */
export class SniCluster implements NetworkGate {
  onNewConnection({ info }: GatedConnection): GateVerdict {
    if (info.requestedServerName !== '')
      stateOf(info).set(CLUSTER_STATE, { text: info.requestedServerName });
    return 'admit';
  }
}

/** envoy.filters.network.set_filter_state */
export class ConnectionFilterState implements NetworkGate {
  readonly #update: FilterStateUpdate;
  readonly #time: TimeSource;

  /** Throws ConfigError for a command that does not exist. */
  constructor(config: SetFilterStateConfig, environment: FormatEnvironment, time: TimeSource) {
    this.#update = new FilterStateUpdate(config, environment);
    this.#time = time;
  }

  onNewConnection({ info }: GatedConnection): GateVerdict {
    const state = stateOf(info);
    const time = this.#time;
    const stream = new StreamInfo(info, time.wallMs(), time.monotonicMs(), 0);
    this.#update.apply(new RequestHeaders(), stream, state);
    return 'admit';
  }
}

export interface ConnectionRateLimitContext {
  readonly store: StatsStore;
  readonly runtime: Runtime;
  readonly bucket: SharedTokenBucket;
}

/** The flag is the one that Envoy sets. */
const RATE_LIMITED = {
  flag: ResponseFlag.UpstreamRetryLimitExceeded,
  closeReason: 'local_ratelimit_close_over_limit',
} as const;

/** envoy.filters.network.local_ratelimit: a token for each connection, or it is closed. */
export class ConnectionRateLimit implements NetworkGate {
  readonly #config: NetworkRateLimitConfig;
  readonly #context: ConnectionRateLimitContext;
  readonly #limited: StatId;

  constructor(config: NetworkRateLimitConfig, context: ConnectionRateLimitContext) {
    this.#config = config;
    this.#context = context;
    this.#limited = context.store.counter(`local_rate_limit.${config.statPrefix}.rate_limited`);
  }

  onNewConnection(_session: GatedConnection): GateVerdict {
    const { enabled } = this.#config;
    const { runtime, bucket, store } = this.#context;
    if (!runtime.flag(enabled.runtimeKey, enabled.fallback) || bucket.take(1)) return 'admit';
    store.inc(this.#limited);
    return { held: false, end: RATE_LIMITED };
  }
}
