// [w] Connections that one worker has accepted and another gets: descriptors belong to the process, so that their number is
// all that crosses threads (docs/adr/0011-handed-over-connections.md). Used by listeners with `exact_balance`, and by those whose
// socket one worker has alone.
import type { BroadcastChannel } from 'node:worker_threads';
import { workerThreads } from '../base/node-builtins.ts';

import type { SharedCount } from '../filters/shared-counts.ts';
import { libc } from '../network/libc.ts';
import { isTcp, newPipeSocket, newTcpSocket } from '../network/socket-binding.ts';
import type { SocketHandle } from '../network/socket-binding.ts';

const CHANNEL = 'outrigger connections';

interface Handed {
  readonly to: number;
  readonly listener: string;
  readonly fd: number;
  readonly pipe: boolean;
  /** It has a place among the connections of all listeners. */
  readonly counted: boolean;
}

export interface HandoverReceiver {
  onHanded(listenerName: string, handle: SocketHandle, counted: boolean): void;
  /** The connection cannot be had: its places are free again. */
  onHandedLost(listenerName: string, counted: boolean): void;
}

export interface HandingListener {
  readonly name: string;
  /** Its connections have places among those of all listeners. */
  readonly counted: boolean;
}

export class ConnectionHandover {
  readonly #workerIndex: number;
  readonly #workerCount: number;
  readonly #receiver: HandoverReceiver;
  #channel: BroadcastChannel | null = null;

  constructor(workerIndex: number, workerCount: number, receiver: HandoverReceiver) {
    this.#workerIndex = workerIndex;
    this.#workerCount = workerCount;
    this.#receiver = receiver;
  }

  /** Others may hand over from now on: said by every worker that has a listener which shares. */
  open(): void {
    if (this.#channel !== null || this.#workerCount < 2) return;
    const channel = new (workerThreads().BroadcastChannel)(CHANNEL);
    // It keeps no worker alive.
    channel.unref();
    channel.onmessage = ({ data }) => this.#onMessage(data as Handed);
    this.#channel = channel;
  }

  close(): void {
    this.#channel?.close();
    this.#channel = null;
  }

  /**
   * Counts the connection with the worker that has the fewest, and gives it there. True: it is not ours any more. Who serves
   * it takes it off the count at its end.
   */
  share(listener: HandingListener, handle: SocketHandle, count: SharedCount): boolean {
    const own = this.#workerIndex;
    const channel = this.#channel;
    const calls = channel === null ? null : libc();
    const to = calls === null ? own : count.smallest(this.#workerCount, own);
    const fd = to === own ? -1 : calls!.dup(handle.fd);
    if (fd < 0) {
      count.add(1);
      return false;
    }
    count.addTo(to, 1);
    const { name, counted } = listener;
    const handed: Handed = { to, listener: name, fd, pipe: !isTcp(handle), counted };
    channel!.postMessage(handed);
    handle.close();
    return true;
  }

  #onMessage({ to, listener, fd, pipe, counted }: Handed): void {
    if (to !== this.#workerIndex) return;
    const handle = pipe ? newPipeSocket() : newTcpSocket();
    if (handle.open(fd) === 0) {
      this.#receiver.onHanded(listener, handle, counted);
      return;
    }
    libc()?.close(fd);
    this.#receiver.onHandedLost(listener, counted);
  }
}
