// [b] A filter whose settings are discovered (ECDS): where they come from and what they may be. Main puts them in its place; one
// that reaches a worker as it is has none, and what it would let through is refused.
import type { SourceRef, SubscriptionRef } from './config-source.ts';

export interface DiscoveredFilterConfig<T> {
  readonly kind: 'discovered';
  readonly from: SourceRef;
  /** Full names of the messages that they may be. */
  readonly typeNames: readonly string[];
  /** In force when none came in time. */
  readonly fallback: T | undefined;
  /** Nobody waits for them: the fallback is in force until they come. */
  readonly unwaited: boolean;
  /** It is the last of its list, and has to end it. */
  readonly last: boolean;
}

export const discoveredRef = (
  name: string,
  { from }: DiscoveredFilterConfig<unknown>,
): SubscriptionRef => ({ name, ...from });
