// [m] What the managers of clusters and listeners need of secrets: they ask for those that their configuration names, and wait until
// those came (envoy-behaviour §9.4). proxy/xds/secret-manager.ts fulfils it.
import type { SecretRef } from '../config/secret-config.ts';

/** One version of one cluster or listener. */
export interface SecretUser {
  readonly refs: readonly SecretRef[];
  /** One of them came anew; also for the first time. */
  onSecret(): void;
}

export interface SecretWaits {
  /** Undefined: all of them can be asked for; else what is wrong, for the NACK. */
  problem(refs: readonly SecretRef[]): string | undefined;
  retain(user: SecretUser): void;
  release(user: SecretUser): void;
  /** All of them came, or are not waited for any more. */
  ready(refs: readonly SecretRef[]): boolean;
}
