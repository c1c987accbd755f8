// [w] ClusterDiscovery: clusters that a request or a connection named and this worker does not know. Main is asked once for each;
// who wants one waits, as long as its filter says.
import type { TimerWheel } from '../base/timer-wheel.ts';
import { WheelTimer } from '../base/timer-wheel.ts';
import type { TimerOwner } from '../base/timer-wheel.ts';
import type { SourceRef } from '../config/config-source.ts';
import type { OnDemandClustersConfig } from '../config/on-demand-config.ts';

export type DiscoveryOutcome = 'available' | 'missing' | 'timeout';

export interface ClusterWaiter {
  /** Once, never from within ask(). */
  onClusterDiscovery(outcome: DiscoveryOutcome): void;
}

/** Somebody who waits. */
export interface ClusterWait {
  /** The waiter is told no more. */
  cancel(): void;
}

class Wait implements ClusterWait, TimerOwner {
  readonly #discovery: ClusterDiscovery;
  readonly #name: string;
  readonly #waiter: ClusterWaiter;
  readonly timer = new WheelTimer(this, 0);

  constructor(discovery: ClusterDiscovery, name: string, waiter: ClusterWaiter) {
    this.#discovery = discovery;
    this.#name = name;
    this.#waiter = waiter;
  }

  onTimer(): void {
    this.tell('timeout');
  }

  cancel(): void {
    this.#discovery.forget(this.#name, this);
  }

  tell(outcome: DiscoveryOutcome): void {
    this.cancel();
    this.#waiter.onClusterDiscovery(outcome);
  }
}

export class ClusterDiscovery {
  readonly #timers: TimerWheel;
  readonly #askMain: (cluster: string, ref: SourceRef) => void;
  readonly #waits = new Map<string, Set<Wait>>();

  constructor(timers: TimerWheel, askMain: (cluster: string, ref: SourceRef) => void) {
    this.#timers = timers;
    this.#askMain = askMain;
  }

  ask(
    { ref, timeoutMs }: OnDemandClustersConfig,
    name: string,
    waiter: ClusterWaiter,
  ): ClusterWait {
    const wait = new Wait(this, name, waiter);
    let waits = this.#waits.get(name);
    if (waits === undefined) {
      waits = new Set();
      this.#waits.set(name, waits);
      this.#askMain(name, ref);
    }
    waits.add(wait);
    this.#timers.arm(wait.timer, timeoutMs);
    return wait;
  }

  forget(name: string, wait: Wait): void {
    this.#timers.cancel(wait.timer);
    const waits = this.#waits.get(name);
    if (waits?.delete(wait) === true && waits.size === 0) this.#waits.delete(name);
  }

  /** The cluster is there, with its hosts; or the server says that there is none. */
  onOutcome(name: string, outcome: 'available' | 'missing'): void {
    const waits = this.#waits.get(name);
    if (waits === undefined) return;
    // One of them may end another, and one that asks again waits for the next answer.
    for (const wait of [...waits]) if (waits.has(wait)) wait.tell(outcome);
  }
}
