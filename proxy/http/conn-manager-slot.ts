// [w] ConnManagerSlot: the settings in force for all connections of one filter chain. An update in place puts others here
// (docs/adr/0015-updates-in-place.md): a connection looks when its next request begins, and holds none of them itself,
// so that old settings are gone with the last request that began under them.
import type { Connection } from '../network/connection.ts';
import type { DownstreamConnectionInfo, ListenerFacts } from '../stream-info/stream-info.ts';
import type { ConnManagerContext } from './conn-manager-context.ts';

export class ConnManagerSlot {
  /** How many updates there were. */
  version = 0;
  /** Connections from before that update end after their next response. */
  retiredBefore = 0;
  /** For logs of the next requests; null: what the connection began with. */
  facts: ListenerFacts | null = null;
  #current: ConnManagerContext;

  constructor(context: ConnManagerContext) {
    this.#current = context;
  }

  get current(): ConnManagerContext {
    return this.#current;
  }

  /** For the next request of a connection that saw an older version: what its logs may say of the listener from now on. */
  bringUpToDate(connection: Connection, info: DownstreamConnectionInfo): DownstreamConnectionInfo {
    connection.delayedCloseTimeoutMs = this.#current.config.delayedCloseTimeoutMs;
    const { facts } = this;
    return facts === null || facts === info.listener ? info : { ...info, listener: facts };
  }

  /** `retires`: connections cannot go on for ever with what they have agreed with their clients. */
  replace(context: ConnManagerContext, facts: ListenerFacts, retires: boolean): void {
    this.#current = context;
    this.facts = facts;
    this.version++;
    if (retires) this.retiredBefore = this.version;
  }
}
