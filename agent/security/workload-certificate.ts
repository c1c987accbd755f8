// [m] WorkloadCertificate: the identity of this workload, renewed long before it ends (istio-contract §6.9, Rotation). What is held stays in use
// until its successor is here; while the authority is away it is asked again and again.
import { JitteredBackoff } from '../../proxy/base/backoff.ts';
import type { TimerHandle, TimeSource } from '../../proxy/base/clock.ts';
import type { Closable } from '../../proxy/base/lifetime.ts';
import type { Logger } from '../../proxy/base/logger.ts';
import type { RandomSource } from '../../proxy/base/random.ts';
import type { AgentMetrics } from '../agent-metrics.ts';
import type { IssuedCertificate } from './authority-client.ts';

export interface WorkloadCertificateParts {
  readonly request: () => Promise<IssuedCertificate>;
  readonly graceRatio: number;
  readonly graceJitter: number;
  readonly metrics: AgentMetrics;
  readonly logger: Logger;
  readonly time: TimeSource;
  readonly random: RandomSource;
  /** A new one is held. */
  readonly onChange: (now: IssuedCertificate, before: IssuedCertificate | undefined) => void;
}

const BACKOFF_BASE_MS = 500;
const BACKOFF_MAX_MS = 60_000;
/** However short a life is: the authority is not asked more often. */
const LEAST_RENEWAL_MS = 500;
/** Timers count time awake; after a sleep the wall clock is ahead of them. */
const LONGEST_SLEEP_MS = 60_000;

export class WorkloadCertificate implements Closable {
  readonly #parts: WorkloadCertificateParts;
  readonly #backoff: JitteredBackoff;
  #held: IssuedCertificate | undefined;
  #renewAtMs = 0;
  #timer: TimerHandle | undefined;
  #asking = false;
  #again = false;
  #closed = false;
  #waiters: ((certificate: IssuedCertificate) => void)[] = [];
  #lastProblem: string | undefined;

  constructor(parts: WorkloadCertificateParts) {
    this.#parts = parts;
    this.#backoff = new JitteredBackoff(BACKOFF_BASE_MS, BACKOFF_MAX_MS, parts.random);
  }

  get held(): IssuedCertificate | undefined {
    return this.#held;
  }

  /** Why the last request failed; undefined once one succeeded. */
  get lastProblem(): string | undefined {
    return this.#lastProblem;
  }

  /** Resolves when one is held that is not over, however long that takes. */
  get(): Promise<IssuedCertificate> {
    const held = this.#held;
    if (held !== undefined && held.notAfterMs > this.#parts.time.wallMs())
      return Promise.resolve(held);
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      this.#ask();
    });
  }

  /** Asks for a new one now, whatever the age of what is held. */
  renew(): void {
    if (this.#asking) this.#again = true;
    else this.#ask();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #ask(): void {
    // While a try waits for its back-off nobody may hurry it.
    if (this.#asking || this.#closed) return;
    this.#asking = true;
    this.#timer?.cancel();
    this.#tryOnce();
  }

  #tryOnce(): void {
    const { request, metrics, time } = this.#parts;
    const startMs = time.monotonicMs();
    metrics.outgoingRequests.inc({ request_type: 'csr' });
    request().then(
      (certificate) => {
        metrics.outgoingLatency.inc({ request_type: 'csr' }, time.monotonicMs() - startMs);
        if (!this.#closed) this.#onIssued(certificate);
      },
      (error: unknown) => this.#onFailed((error as Error).message),
    );
  }

  #onIssued(certificate: IssuedCertificate): void {
    const { time, logger } = this.#parts;
    const nowMs = time.wallMs();
    const lifeMs = certificate.notAfterMs - nowMs;
    if (lifeMs <= 0) {
      this.#onFailed(
        'the certificate that came is already over; is the clock of this machine right?',
      );
      return;
    }
    this.#backoff.reset();
    this.#lastProblem = undefined;
    this.#asking = false;
    const before = this.#held;
    this.#held = certificate;
    this.#renewAtMs = nowMs + Math.max(LEAST_RENEWAL_MS, lifeMs * (1 - this.#graceRatio()));
    logger.info(
      before === undefined ? 'workload certificate issued' : 'workload certificate renewed',
      {
        until: new Date(certificate.notAfterMs).toISOString(),
        renewal: new Date(this.#renewAtMs).toISOString(),
      },
    );
    this.#parts.onChange(certificate, before);
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve(certificate);
    if (this.#again) {
      this.#again = false;
      this.#ask();
    } else this.#sleep();
  }

  #graceRatio(): number {
    const { graceRatio, graceJitter, random } = this.#parts;
    return Math.min(1, Math.max(0, graceRatio + (random.next() * 2 - 1) * graceJitter));
  }

  #sleep(): void {
    const { time } = this.#parts;
    const leftMs = this.#renewAtMs - time.wallMs();
    if (leftMs <= 0) {
      this.#ask();
      return;
    }
    this.#timer = time.setTimer(() => this.#sleep(), Math.min(leftMs, LONGEST_SLEEP_MS));
  }

  #onFailed(reason: string): void {
    if (this.#closed) return;
    const { metrics, logger, time } = this.#parts;
    metrics.failedOutgoingRequests.inc({ request_type: 'csr' });
    this.#lastProblem = reason;
    const delayMs = this.#backoff.nextMs();
    logger.warn(`no workload certificate: ${reason}; trying again in ${delayMs} ms`);
    this.#timer = time.setTimer(() => this.#tryOnce(), delayMs);
  }
}
