// [w] envoy.filters.network.sni_dynamic_forward_proxy: holds a connection until the DNS cache knows the server that the client names in
// its hello; what is behind it (tcp_proxy to a dynamic forward proxy cluster) then reaches that one. A connection that names
// nobody passes.
import type { SniForwardProxyConfig } from '../../config/network-filter-config.ts';
import type { ForwardHostConfig } from '../../config/dns-cache-config.ts';
import type { Connection } from '../../network/connection.ts';
import { CloseType } from '../../network/transport.ts';
import type { CloseEvent, ConnectionCallbacks } from '../../network/transport.ts';
import { FilterState } from '../../stream-info/filter-state.ts';
import type { DownstreamConnectionInfo } from '../../stream-info/stream-info.ts';
import type { ForwardHosts, ForwardHostWaiter } from '../../upstream/forward-hosts.ts';
import { FORWARD_TO_STATE } from '../../upstream/forward-proxy-balancer.ts';
import type { ConnectionOwner, TerminalFilterFactory } from './network-filter.ts';

const OVERFLOW = { closeReason: 'dns_cache_overflow' };

export class SniForwardProxyFactory implements TerminalFilterFactory {
  readonly #config: SniForwardProxyConfig;
  readonly #hosts: ForwardHosts;
  readonly next: TerminalFilterFactory;

  constructor(config: SniForwardProxyConfig, hosts: ForwardHosts, terminal: TerminalFilterFactory) {
    this.#config = config;
    this.#hosts = hosts;
    this.next = terminal;
  }

  onRefused(): void {
    this.next.onRefused?.();
  }

  createFilter(
    connection: Connection,
    info: DownstreamConnectionInfo,
    owner: ConnectionOwner,
  ): ConnectionCallbacks | null {
    const name = info.requestedServerName;
    if (name === '') return this.next.createFilter(connection, info, owner);
    const { cache, port } = this.#config;
    const host = `${name}:${port}`;
    (info.filterState ??= new FilterState()).set(FORWARD_TO_STATE, { text: host });
    const held = new HeldConnection({ connection, info, owner }, this.next);
    const known = this.#hosts.resolve(cache, host, held);
    if (known === undefined || known?.overflow === true) {
      // Whoever held it before must not hear of its end: it would count it, too.
      connection.setCallbacks(held);
      connection.close(CloseType.NoFlush);
      return null;
    }
    if (known !== null) return this.next.createFilter(connection, info, owner);
    held.onEnd = () => this.#hosts.cancel(cache.name, host, held);
    connection.readDisable(true);
    return held;
  }
}

interface Held {
  readonly connection: Connection;
  readonly info: DownstreamConnectionInfo;
  readonly owner: ConnectionOwner;
}

class HeldConnection implements ConnectionCallbacks, ForwardHostWaiter {
  onEnd: () => void = () => {};
  readonly #held: Held;
  readonly #terminal: TerminalFilterFactory;

  constructor(held: Held, terminal: TerminalFilterFactory) {
    this.#held = held;
    this.#terminal = terminal;
  }

  /** Without an address the cluster behind it has no host, and says so. */
  onForwardHost(host: ForwardHostConfig): void {
    const { connection, info, owner } = this.#held;
    if (host.overflow) {
      connection.close(CloseType.NoFlush);
      return;
    }
    const callbacks = this.#terminal.createFilter(connection, info, owner);
    if (callbacks === null) return;
    connection.setCallbacks(callbacks);
    connection.readDisable(false);
  }

  onData(_chunk: Buffer, _endStream: boolean): void {}
  onClose(_event: CloseEvent, _detail: string): void {
    this.onEnd();
    this.#held.owner.onConnectionDone(OVERFLOW);
  }
  onAboveWriteBufferHighWatermark(): void {}
  onBelowWriteBufferLowWatermark(): void {}
}
