// [w] PreviousPriorities: retries that leave the priorities tried before (envoy.retry_priorities.previous_priorities,
// envoy-behaviour §4.5). One per request, made at its first retry.
import type { Host } from '../upstream/host.ts';
import type { RetryPriority } from '../upstream/load-balancer.ts';

export class PreviousPriorities implements RetryPriority {
  readonly #updateFrequency: number;
  #tried: Host[] = [];
  readonly #excluded = new Set<number>();
  #loads: readonly number[] | null = null;

  constructor(updateFrequency: number) {
    this.#updateFrequency = updateFrequency;
  }

  onHostTried(host: Host): void {
    this.#tried.push(host);
  }

  loads(availability: readonly number[]): readonly number[] | null {
    const tried = this.#tried.length;
    if (tried < this.#updateFrequency) return null;
    if (tried % this.#updateFrequency === 0) {
      for (const host of this.#tried) this.#excluded.add(host.priority);
      this.#loads = this.#redistribute(availability);
    }
    return this.#loads;
  }

  /** Null: nothing is available anywhere. */
  #redistribute(availability: readonly number[]): readonly number[] | null {
    let left = this.#withoutExcluded(availability);
    if (sum(left) === 0) {
      // All have been tried: start over.
      this.#excluded.clear();
      this.#tried = [];
      left = availability;
    }
    const total = Math.min(100, sum(left));
    if (total === 0) return null;
    const loads = left.map(() => 0);
    // Rounds: what rounding left over goes to the first that can take it.
    for (let rest = 100; rest > 0;) {
      for (let i = 0; i < left.length; i++) {
        const share = Math.min(rest, Math.floor((left[i]! * 100) / total));
        loads[i]! += share;
        rest -= share;
      }
    }
    return loads;
  }

  #withoutExcluded(availability: readonly number[]): readonly number[] {
    return availability.map((percent, priority) => (this.#excluded.has(priority) ? 0 : percent));
  }
}

const sum = (numbers: readonly number[]): number =>
  numbers.reduce((total, number) => total + number, 0);
