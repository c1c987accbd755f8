// [m] Port 0 of a static listener becomes one real port before workers bind it: each worker has a socket of its own, and
// each would be given another port. A socket that is bound and never listens keeps the port ours until the end.
import type { Closable } from '../base/lifetime.ts';
import type { ConfigResource } from '../config/config-resource.ts';
import type { AddressConfig, ListenerConfig } from '../config/listener-config.ts';
import { errorText } from '../network/error-text.ts';
import { BindError } from '../network/listen-socket.ts';
import { IPV6_ONLY, REUSE_PORT, newTcpServer } from '../network/socket-binding.ts';
import type { SocketHandle, SocketName } from '../network/socket-binding.ts';

export class EphemeralPorts implements Closable {
  readonly #held: SocketHandle[] = [];

  /** The same listeners, those of port 0 with the port that the kernel gave. Throws a BindError where it has none. */
  pin(
    listeners: readonly ConfigResource<ListenerConfig>[],
  ): readonly ConfigResource<ListenerConfig>[] {
    return listeners.map((resource) => {
      const { config } = resource;
      if (!config.bindToPort || config.address.kind !== 'ip' || config.address.port !== 0)
        return resource;
      const address: AddressConfig = {
        ...config.address,
        port: this.#hold(config.address.address),
      };
      return { ...resource, config: { ...config, address } };
    });
  }

  close(): void {
    for (const handle of this.#held.splice(0)) handle.close();
  }

  #hold(host: string): number {
    const handle = newTcpServer();
    const status = host.includes(':')
      ? handle.bind6(host, 0, IPV6_ONLY | REUSE_PORT)
      : handle.bind(host, 0, REUSE_PORT);
    const name: SocketName = {};
    if (status === 0) handle.getsockname(name);
    if (name.port === undefined) {
      handle.close();
      throw new BindError(`${host}:0`, errorText(status));
    }
    this.#held.push(handle);
    return name.port;
  }
}
