// [w] HedgedAttempts: attempts that took longer than one may, got company, and may still answer (envoy-behaviour §4.8).
// Made when that happens first: nearly no request has one.
import type { UpstreamRequest } from './upstream-request.ts';

export class HedgedAttempts {
  #attempts: readonly UpstreamRequest[] = [];

  get all(): readonly UpstreamRequest[] {
    return this.#attempts;
  }

  has(attempt: UpstreamRequest): boolean {
    return this.#attempts.includes(attempt);
  }

  add(attempt: UpstreamRequest): void {
    if (!this.has(attempt)) this.#attempts = [...this.#attempts, attempt];
  }

  remove(attempt: UpstreamRequest): void {
    this.#attempts = this.#attempts.filter((other) => other !== attempt);
  }

  /** `winner`: the one whose answer is taken; null: none is. */
  abandonAllBut(winner: UpstreamRequest | null): void {
    for (const attempt of this.#attempts) if (attempt !== winner) attempt.abandon();
  }
}
