// [m] ConnectionBound: as many connections as a server can bear. Who comes beyond that takes the place of whoever has asked for nothing for
// longest: a port that the whole mesh can reach must not be held shut for the kubelet by connections that say nothing.
import type { Socket } from 'node:net';

export class ConnectionBound {
  readonly #most: number;
  /** Oldest first; a socket is in one of them. */
  readonly #silent = new Set<Socket>();
  readonly #asking = new Set<Socket>();

  constructor(most: number) {
    this.#most = most;
  }

  add(socket: Socket): void {
    if (this.#silent.size + this.#asking.size >= this.#most) this.#makeRoom();
    this.#silent.add(socket);
    socket.once('close', () => {
      this.#silent.delete(socket);
      this.#asking.delete(socket);
    });
  }

  /** It waits for an answer. One that was not added is none of ours. */
  asks(socket: Socket): void {
    if (this.#silent.delete(socket)) this.#asking.add(socket);
  }

  /** It has its answer. */
  answered(socket: Socket): void {
    if (this.#asking.delete(socket)) this.#silent.add(socket);
  }

  #makeRoom(): void {
    const [oldest] = this.#silent.size > 0 ? this.#silent : this.#asking;
    if (oldest === undefined) return;
    this.#silent.delete(oldest);
    this.#asking.delete(oldest);
    oldest.destroy();
  }
}
