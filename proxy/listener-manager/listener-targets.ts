// [m] What a listener waits for besides its routes and its secrets (Envoy's init targets), and what is then filled in:
// filters that are discovered, scoped routes. Whoever fetches them fulfils it.
import type { ListenerConfig } from '../config/listener-config.ts';

export interface ListenerTarget {
  /** Why what it names cannot be had, for the NACK; absent, or undefined: it can. */
  problem?(config: ListenerConfig): string | undefined;
  /** A version of a listener is there: what it names is to be fetched. Called once for each version, also for one that names nothing. */
  retain(config: ListenerConfig): void;
  /** That version is gone. */
  release(config: ListenerConfig): void;
  /** All of it came, or is not waited for any more (its own initial fetch time-out, a refused first answer). */
  ready(config: ListenerConfig): boolean;
  /**
   * The configuration as workers get it, with what came in its place; the object itself where nothing is to be filled in. Asked when the
   * listener is ready and again at each ListenerManager.onTargets(). Chains that differ have other hashes, and so has the
   * listener: workers swap them in place (docs/adr/0015-updates-in-place.md).
   */
  filled(config: ListenerConfig): ListenerConfig;
}
