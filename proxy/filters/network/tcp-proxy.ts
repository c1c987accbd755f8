// [w] envoy.filters.network.tcp_proxy: a session for each connection (tcp-session.ts).
import type { Connection } from '../../network/connection.ts';
import type { ConnectionCallbacks } from '../../network/transport.ts';
import type { DownstreamConnectionInfo } from '../../stream-info/stream-info.ts';
import type {
  ConnectionOwner,
  Speculation,
  SpeculationListener,
  TerminalFilterFactory,
} from './network-filter.ts';
import type { TcpProxyContext } from './tcp-proxy-context.ts';
import { TcpProxySession } from './tcp-session.ts';
import { TcpSpeculation } from './tcp-speculation.ts';

export class TcpProxyFactory implements TerminalFilterFactory {
  readonly #context: TcpProxyContext;

  constructor(context: TcpProxyContext) {
    this.#context = context;
  }

  createFilter(
    connection: Connection,
    info: DownstreamConnectionInfo,
    owner: ConnectionOwner,
  ): ConnectionCallbacks {
    const session = new TcpProxySession(this.#context, connection, info, owner);
    connection.setCallbacks(session);
    session.begin();
    return session;
  }

  speculate(
    connection: Connection,
    info: DownstreamConnectionInfo,
    listener: SpeculationListener,
  ): Speculation | null {
    const { connectOn, maxEarlyDataBytes, tunneling } = this.#context.config;
    if (connectOn !== undefined || maxEarlyDataBytes !== undefined || tunneling !== undefined)
      return null;
    const tried = new TcpSpeculation(this.#context, info, listener);
    if (!tried.start()) return null;
    return {
      commit: (owner) => {
        const session = new TcpProxySession(this.#context, connection, info, owner);
        connection.setCallbacks(session);
        session.beginWith(tried);
        return session;
      },
      abandon: () => tried.abandon(),
    };
  }

  onRefused(): void {
    const { stats } = this.#context;
    stats.store.inc(stats.cxTotal);
  }
}
