// [m] Dial: one try to reach a server. A name (istiod of a STRICT_DNS cluster, or of an agent) is resolved first, and its addresses are tried in
// their order.
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

/** Of one name; the connect time-out bounds them all. */
const MOST_ADDRESSES = 16;

export class Dial implements ConnectListener {
  readonly #io: IoThread;
  readonly #options: DialOptions;
  #listener: DialListener | null;
  #attempt: ConnectAttempt | null = null;
  /** To be tried when this one fails. */
  #further: AddressConfig[] = [];

  constructor(io: IoThread, { address, transport }: DialTarget, listener: DialListener) {
    this.#io = io;
    this.#options = { ...PLAIN_DIAL, transport };
    this.#listener = listener;
    if (address.kind === 'pipe' || parseIp(address.address) !== null) this.#try(address);
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
    this.#attempt = null;
    if (this.#listener !== null) this.#tryNext(reason);
  }

  #resolve(name: string, port: number): void {
    dns().lookup(name, { all: true }, (error, found) => {
      if (this.#listener === null) return;
      if (error === null)
        this.#further = found
          .slice(0, MOST_ADDRESSES)
          .map(({ address }) => ({ kind: 'ip', address, port }));
      this.#tryNext(`'${name}' cannot be resolved (${error?.code ?? 'no address'})`);
    });
  }

  /** `reason`: why nothing was reached so far. */
  #tryNext(reason: string): void {
    const next = this.#further.shift();
    if (next !== undefined) {
      this.#try(next);
      return;
    }
    const listener = this.#listener;
    this.#listener = null;
    listener?.onConnectFailed(reason);
  }

  #try(address: AddressConfig): void {
    this.#attempt = new ConnectAttempt(this.#io, address, this.#options, this);
  }
}
