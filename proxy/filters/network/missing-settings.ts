// [w] MissingFilterFactory: the last filter of a chain of which one is discovered (ECDS) and did not come. Its connections are closed.
import type { Connection } from '../../network/connection.ts';
import { CloseType } from '../../network/transport.ts';
import type { ConnectionCallbacks } from '../../network/transport.ts';
import type { DownstreamConnectionInfo } from '../../stream-info/stream-info.ts';
import type { StatId, StatsStore } from '../../stats/store.ts';
import { RefusedConnection } from './network-gate.ts';
import type { ConnectionOwner, TerminalFilterFactory } from './network-filter.ts';

export class MissingFilterFactory implements TerminalFilterFactory {
  readonly #stats: StatsStore;
  readonly #missing: StatId;

  /** `listener`: its stat prefix. */
  constructor(stats: StatsStore, listener: string) {
    this.#stats = stats;
    this.#missing = stats.counter(`listener.${listener}.network_extension_config_missing`);
  }

  createFilter(
    connection: Connection,
    _info: DownstreamConnectionInfo,
    owner: ConnectionOwner,
  ): ConnectionCallbacks | null {
    this.#stats.inc(this.#missing);
    connection.setCallbacks(new RefusedConnection(owner, {}));
    connection.close(CloseType.NoFlush);
    return null;
  }
}
