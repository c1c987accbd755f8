// [w] envoy.filters.network.http_connection_manager: settings to ConnManager.
import type { Connection } from '../../network/connection.ts';
import type { ConnectionCallbacks } from '../../network/transport.ts';
import { ConnManager } from '../../http/conn-manager.ts';
import type { ConnManagerContext } from '../../http/conn-manager-context.ts';
import type { DownstreamConnectionInfo } from '../../stream-info/stream-info.ts';
import type { ConnectionOwner, TerminalFilterFactory } from './network-filter.ts';

export class HttpConnectionManagerFactory implements TerminalFilterFactory {
  readonly #context: ConnManagerContext;

  constructor(context: ConnManagerContext) {
    this.#context = context;
  }

  createFilter(
    connection: Connection,
    info: DownstreamConnectionInfo,
    owner: ConnectionOwner,
  ): ConnectionCallbacks {
    return new ConnManager(this.#context, connection, info, owner);
  }
}
