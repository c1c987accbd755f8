// [w] EarlySockets: ports that are open before the listeners that belong to them have come. Connections wait there, unread, until the first
// configuration is complete, and are then taken up by those listeners as if they had just come. Not in Envoy, which refuses them.
import type { TimerHandle } from '../base/clock.ts';
import type { Closable } from '../base/lifetime.ts';
import type { Logger } from '../base/logger.ts';
import type { AddressConfig } from '../config/listener-config.ts';
import type { IoThread } from '../network/io-thread.ts';
import { ListenSocket } from '../network/listen-socket.ts';
import type { AcceptHandler } from '../network/listen-socket.ts';
import type { SocketHandle } from '../network/socket-binding.ts';

type IpAddressConfig = Extract<AddressConfig, { kind: 'ip' }>;

export interface EarlyListeners {
  readonly addresses: readonly IpAddressConfig[];
  /** How long a connection waits before it is cut. */
  readonly holdMs: number;
}

interface Waiting {
  readonly handle: SocketHandle;
  readonly sinceMs: number;
}

interface Place {
  readonly address: IpAddressConfig;
  readonly waiting: Waiting[];
  socket: ListenSocket | null;
  heir: AcceptHandler | null;
}

/** Of all ports of one worker; whoever comes then is refused. */
const MAX_WAITING = 1024;
const BACKLOG = 1024;

export class EarlySockets implements Closable {
  readonly #io: IoThread;
  readonly #holdMs: number;
  readonly #log: Logger;
  readonly #places: Place[] = [];
  #timer: TimerHandle | null = null;
  #count = 0;
  #cut = 0;

  constructor(io: IoThread, early: EarlyListeners | undefined, log: Logger) {
    this.#io = io;
    this.#holdMs = early?.holdMs ?? 0;
    this.#log = log;
    for (const address of early?.addresses ?? []) this.#open(address);
  }

  /**
   * The port of a listener that now is: connections go to `heir` from over() on. Null: there is none, or none that fits one with socket
   * options or alone on its port; the caller opens its own, and gets what waits all the same.
   */
  claim(address: AddressConfig, isPlain: boolean, heir: AcceptHandler): ListenSocket | null {
    const place = this.#places.find(
      (each) =>
        address.kind === 'ip' &&
        each.heir === null &&
        each.address.address === address.address &&
        each.address.port === address.port,
    );
    if (place === undefined) return null;
    place.heir = heir;
    if (!isPlain) {
      place.socket?.close();
      place.socket = null;
    }
    return place.socket;
  }

  /** Another listener takes the place of the one that claimed it. True: `socket` is one of ours and goes to it at over(). */
  pass(socket: ListenSocket, from: AcceptHandler, to: AcceptHandler): boolean {
    for (const place of this.#places) if (place.heir === from) place.heir = to;
    return this.#places.some((place) => place.socket === socket);
  }

  /** The first configuration is complete. */
  over(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const oldest = Math.max(0, ...this.#places.map(({ waiting }) => this.#ageMs(waiting[0])));
    let taken = 0;
    for (const { socket, heir, waiting } of this.#places.splice(0)) {
      if (heir === null) {
        socket?.close();
        this.#cutAll(waiting);
        continue;
      }
      socket?.handTo(heir);
      taken += waiting.length;
      this.#io.enter();
      for (const { handle } of waiting) heir(handle);
      this.#io.leave();
    }
    if (taken + this.#cut > 0) {
      this.#log.info(
        `${taken} connections that came before the first configuration are taken up, the oldest after ${Math.round(oldest)} ms; ${this.#cut} were cut`,
      );
    }
  }

  close(): void {
    this.#timer?.cancel();
    for (const { socket, waiting } of this.#places.splice(0)) {
      socket?.close();
      this.#cutAll(waiting);
    }
  }

  #open(address: IpAddressConfig): void {
    const place: Place = { address, waiting: [], socket: null, heir: null };
    const settings = { backlog: BACKLOG };
    try {
      place.socket = new ListenSocket(this.#io, address, settings, (handle) =>
        this.#hold(place, handle),
      );
      this.#places.push(place);
    } catch (error) {
      this.#log.warn(`not open before its configuration: ${(error as Error).message}`);
    }
  }

  #hold(place: Place, handle: SocketHandle): void {
    if (this.#count >= MAX_WAITING) {
      this.#cut++;
      handle.close();
      return;
    }
    this.#count++;
    place.waiting.push({ handle, sinceMs: this.#io.time.monotonicMs() });
    this.#timer ??= this.#io.time.setTimer(() => this.#expire(), this.#holdMs);
  }

  #expire(): void {
    this.#timer = null;
    let oldest = 0;
    for (const { waiting } of this.#places) {
      const fresh = waiting.findIndex((each) => this.#ageMs(each) < this.#holdMs);
      this.#cutAll(waiting.splice(0, fresh < 0 ? waiting.length : fresh));
      oldest = Math.max(oldest, this.#ageMs(waiting[0]));
    }
    if (this.#count === 0) return;
    const leftMs = Math.max(1, this.#holdMs - oldest);
    this.#timer = this.#io.time.setTimer(() => this.#expire(), leftMs);
  }

  #cutAll(waiting: readonly Waiting[]): void {
    for (const { handle } of waiting) handle.close();
    this.#cut += waiting.length;
    this.#count -= waiting.length;
  }

  #ageMs(waiting: Waiting | undefined): number {
    return waiting === undefined ? 0 : this.#io.time.monotonicMs() - waiting.sinceMs;
  }
}
