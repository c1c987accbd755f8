// [w] HedgedAttempts: attempts that took longer than one may, got company, and may still answer (envoy-behaviour §4.8).
// Made when that happens first: nearly no request has one.
import type { UpstreamConnectionFacts } from '../stream-info/upstream-facts.ts';
import type { UpstreamRequest } from './upstream-request.ts';

export class HedgedAttempts {
  #attempts: readonly UpstreamRequest[] = [];
  readonly #connections = new Map<UpstreamRequest, UpstreamConnectionFacts | null>();

  get all(): readonly UpstreamRequest[] {
    return this.#attempts;
  }

  has(attempt: UpstreamRequest): boolean {
    return this.#attempts.includes(attempt);
  }

  /** `connection`: the attempt's, as logs name it should it win. */
  add(attempt: UpstreamRequest, connection: UpstreamConnectionFacts | null): void {
    if (this.has(attempt)) return;
    this.#attempts = [...this.#attempts, attempt];
    this.#connections.set(attempt, connection);
  }

  /** Undefined: none of these attempts. */
  connectionOf(attempt: UpstreamRequest): UpstreamConnectionFacts | null | undefined {
    return this.#connections.get(attempt);
  }

  remove(attempt: UpstreamRequest): void {
    this.#attempts = this.#attempts.filter((other) => other !== attempt);
  }

  /** `winner`: the one whose answer is taken; null: none is. */
  abandonAllBut(winner: UpstreamRequest | null): void {
    for (const attempt of this.#attempts) if (attempt !== winner) attempt.abandon();
  }
}
