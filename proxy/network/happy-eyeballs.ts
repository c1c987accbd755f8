// [w] Dials a host that has several addresses: one after the other, each a little after the one before has not answered, or at
// once when it failed; the first connection wins (RFC 8305; envoy-behaviour §7.2).
import type { AddressConfig } from '../config/listener-config.ts';
import type { HappyEyeballsConfig } from '../config/socket-config.ts';
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner } from '../base/timer-wheel.ts';
import type { Connection } from './connection.ts';
import { ConnectAttempt } from './connect.ts';
import type { ConnectListener, Dialled } from './connect.ts';
import type { DialOptions } from './dial-options.ts';
import type { IoThread } from './io-thread.ts';
import type { TransportFacts } from './upstream-transport.ts';

/** RFC 8305 §5 says 250 ms; Envoy waits so long. */
const ATTEMPT_DELAY_MS = 300;

/** One address, or all of them. */
export function dial(
  io: IoThread,
  host: { readonly address: AddressConfig; readonly others: readonly AddressConfig[] },
  options: DialOptions,
  listener: ConnectListener,
): Dialled {
  if (host.others.length === 0) return new ConnectAttempt(io, host.address, options, listener);
  const addresses = interleaved([host.address, ...host.others], options.happyEyeballs);
  return new HappyEyeballs(io, addresses, options, listener);
}

const isV6 = (address: AddressConfig): boolean =>
  address.kind !== 'pipe' && address.address.includes(':');

/** The families take turns, `firstFamilyCount` of the first to one of the other; within a family the order stays. */
export function interleaved(
  addresses: readonly AddressConfig[],
  { firstFamily, firstFamilyCount }: HappyEyeballsConfig,
): readonly AddressConfig[] {
  const firstIsV6 = firstFamily === 'DEFAULT' ? isV6(addresses[0]!) : firstFamily === 'V6';
  const first = addresses.filter((address) => isV6(address) === firstIsV6);
  const second = addresses.filter((address) => isV6(address) !== firstIsV6);
  const sorted: AddressConfig[] = [];
  while (first.length > 0 || second.length > 0)
    sorted.push(...first.splice(0, firstFamilyCount), ...second.splice(0, 1));
  return sorted;
}

class HappyEyeballs implements Dialled, TimerOwner {
  readonly #io: IoThread;
  readonly #options: DialOptions;
  readonly #waiting: AddressConfig[];
  readonly #timer = new WheelTimer(this, 0);
  readonly #attempts = new Set<OneOfSeveral>();
  #listener: ConnectListener | null;

  constructor(
    io: IoThread,
    addresses: readonly AddressConfig[],
    options: DialOptions,
    listener: ConnectListener,
  ) {
    this.#io = io;
    this.#options = options;
    this.#listener = listener;
    this.#waiting = [...addresses];
    this.#next();
  }

  cancel(): void {
    this.#listener = null;
    this.#end();
  }

  // === TimerOwner

  onTimer(_kind: number): void {
    this.#listener?.onFurtherAttempt?.();
    this.#next();
  }

  /** From one of the attempts. */
  onConnected(attempt: OneOfSeveral, connection: Connection, transport: TransportFacts): void {
    this.#attempts.delete(attempt);
    const listener = this.#listener;
    this.#listener = null;
    this.#end();
    listener?.onConnected(connection, transport);
  }

  onConnectFailed(attempt: OneOfSeveral, reason: string, local: boolean): void {
    this.#attempts.delete(attempt);
    if (this.#waiting.length > 0) {
      this.#listener?.onFurtherAttempt?.();
      this.#next();
    } else if (this.#attempts.size === 0) {
      const listener = this.#listener;
      this.#listener = null;
      this.#end();
      listener?.onConnectFailed(reason, local);
    }
  }

  #next(): void {
    const address = this.#waiting.shift();
    if (address === undefined) return;
    this.#attempts.add(new OneOfSeveral(this, this.#io, address, this.#options));
    if (this.#waiting.length > 0) this.#io.timers.arm(this.#timer, ATTEMPT_DELAY_MS);
    else this.#io.timers.cancel(this.#timer);
  }

  #end(): void {
    this.#io.timers.cancel(this.#timer);
    this.#waiting.length = 0;
    for (const attempt of this.#attempts) attempt.cancel();
    this.#attempts.clear();
  }
}

class OneOfSeveral implements ConnectListener {
  readonly #owner: HappyEyeballs;
  readonly #attempt: ConnectAttempt;

  constructor(owner: HappyEyeballs, io: IoThread, address: AddressConfig, options: DialOptions) {
    this.#owner = owner;
    this.#attempt = new ConnectAttempt(io, address, options, this);
  }

  cancel(): void {
    this.#attempt.cancel();
  }

  onConnected(connection: Connection, transport: TransportFacts): void {
    this.#owner.onConnected(this, connection, transport);
  }

  onConnectFailed(reason: string, local: boolean): void {
    this.#owner.onConnectFailed(this, reason, local);
  }
}
