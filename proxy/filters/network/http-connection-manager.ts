// [w] envoy.filters.network.http_connection_manager: settings to ConnManager.
import type { Connection } from '../../network/connection.ts';
import type { ConnectionCallbacks } from '../../network/transport.ts';
import { ConnManager } from '../../http/conn-manager.ts';
import type { ConnManagerContext } from '../../http/conn-manager-context.ts';
import type { DownstreamConnectionInfo } from '../../stream-info/stream-info.ts';
import { ConnManagerSlot } from '../../http/conn-manager-slot.ts';
import type { ChainUpdate, ConnectionOwner, TerminalFilterFactory } from './network-filter.ts';

export class HttpConnectionManagerFactory implements TerminalFilterFactory {
  #slot: ConnManagerSlot;

  constructor(context: ConnManagerContext) {
    this.#slot = new ConnManagerSlot(context);
  }

  createFilter(
    connection: Connection,
    info: DownstreamConnectionInfo,
    owner: ConnectionOwner,
  ): ConnectionCallbacks {
    return new ConnManager(this.#slot, connection, info, owner);
  }

  succeed(before: TerminalFilterFactory, { facts, retires }: ChainUpdate): void {
    if (!(before instanceof HttpConnectionManagerFactory)) return;
    const { current } = this.#slot;
    this.#slot = before.#slot;
    this.#slot.replace(current, facts, retires);
  }
}
