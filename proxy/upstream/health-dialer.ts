// [m] HealthDialer: connections to one host for its active checks, from main's own loop. A check is a few hundred bytes,
// bounded in size and time by its probe and session; many of them share one read buffer, as a worker's connections do.
import type { AddressConfig } from '../config/listener-config.ts';
import { ConnectAttempt } from '../network/connect.ts';
import type { ConnectListener } from '../network/connect.ts';
import type { DialOptions } from '../network/dial-options.ts';
import type { Connection } from '../network/connection.ts';
import type { IoThread } from '../network/io-thread.ts';
import type { ConnectionCallbacks } from '../network/transport.ts';

export interface HealthDialOwner {
  onDialed(connection: Connection): void;
  onDialFailed(): void;
}

export interface HealthDial {
  cancel(): void;
}

export interface HealthDialer {
  /** TLS. */
  readonly secure: boolean;
  /** One call of the owner follows, never from within, unless cancelled. */
  dial(owner: HealthDialOwner): HealthDial;
}

export class SocketDialer implements HealthDialer {
  readonly secure: boolean;
  readonly #io: IoThread;
  readonly #address: AddressConfig;
  readonly #options: DialOptions;

  constructor(io: IoThread, address: AddressConfig, options: DialOptions, secure: boolean) {
    this.#io = io;
    this.secure = secure;
    this.#address = address;
    this.#options = options;
  }

  dial(owner: HealthDialOwner): HealthDial {
    return new ConnectAttempt(this.#io, this.#address, this.#options, new SocketDial(owner));
  }
}

class SocketDial implements ConnectListener {
  readonly #owner: HealthDialOwner;

  constructor(owner: HealthDialOwner) {
    this.#owner = owner;
  }

  onConnected(connection: Connection): void {
    this.#owner.onDialed(connection);
  }

  onConnectFailed(): void {
    this.#owner.onDialFailed();
  }
}

/** Whoever a connection belonged to is done with it. */
export const NOBODY: ConnectionCallbacks = {
  onData: () => {},
  onClose: () => {},
  onAboveWriteBufferHighWatermark: () => {},
  onBelowWriteBufferLowWatermark: () => {},
};
