// [m] Dial: one try to reach an address of the bootstrap: resolved first where it is a name (a STRICT_DNS cluster of istiod).
import { dns } from '../base/node-builtins.ts';
import type { AddressConfig } from '../config/listener-config.ts';
import { parseIp } from '../network/address.ts';
import { ConnectAttempt } from '../network/connect.ts';
import type { ConnectListener } from '../network/connect.ts';
import { PLAIN_DIAL } from '../network/dial-options.ts';
import type { DialOptions } from '../network/dial-options.ts';
import type { UpstreamTransport } from '../network/upstream-transport.ts';
import type { Connection } from '../network/connection.ts';
import type { IoThread } from '../network/io-thread.ts';

export interface DialListener {
  onConnected(connection: Connection): void;
  /** Never from within the constructor. */
  onConnectFailed(reason: string): void;
}

export interface DialTarget {
  readonly address: AddressConfig;
  /** Null: plaintext. */
  readonly transport: UpstreamTransport | null;
}

export class Dial implements ConnectListener {
  readonly #io: IoThread;
  readonly #options: DialOptions;
  #listener: DialListener | null;
  #attempt: ConnectAttempt | null = null;

  constructor(io: IoThread, { address, transport }: DialTarget, listener: DialListener) {
    this.#io = io;
    this.#options = { ...PLAIN_DIAL, transport };
    this.#listener = listener;
    if (address.kind === 'pipe' || parseIp(address.address) !== null)
      this.#attempt = new ConnectAttempt(io, address, this.#options, this);
    else this.#resolve(address.address, address.port);
  }

  cancel(): void {
    this.#listener = null;
    this.#attempt?.cancel();
    this.#attempt = null;
  }

  onConnected(connection: Connection): void {
    const listener = this.#listener;
    this.#attempt = null;
    this.#listener = null;
    listener?.onConnected(connection);
  }

  onConnectFailed(reason: string): void {
    const listener = this.#listener;
    this.#attempt = null;
    this.#listener = null;
    listener?.onConnectFailed(reason);
  }

  #resolve(name: string, port: number): void {
    dns().lookup(name, (error, ip) => {
      if (this.#listener === null) return;
      if (error !== null)
        this.onConnectFailed(`'${name}' cannot be resolved (${error.code ?? ''})`);
      else
        this.#attempt = new ConnectAttempt(
          this.#io,
          { kind: 'ip', address: ip, port },
          this.#options,
          this,
        );
    });
  }
}
