// [m] ExpiryWatchdog: says that a certificate is near its end while there is time to do something: in metrics, in the detail of the readiness
// answer, in the log. It takes no pod out of service: plaintext and other certificates go on, and a whole mesh would follow.
import type { TimerHandle, TimeSource } from '../../proxy/base/clock.ts';
import type { Closable } from '../../proxy/base/lifetime.ts';
import type { Logger } from '../../proxy/base/logger.ts';
import type { WatchedCertificate } from './secret-material.ts';

export interface ExpiryWatchdogParts {
  readonly certificates: () => readonly WatchedCertificate[];
  /** Why the last renewal failed; undefined: it did not. */
  readonly problem: () => string | undefined;
  readonly logger: Logger;
  readonly time: TimeSource;
}

export interface CertificateAge {
  readonly name: string;
  /** Negative: over. */
  readonly leftMs: number;
  readonly near: boolean;
}

const LOOK_MS = 15_000;
/** Renewal is due at half of a life: a quarter left means that it failed for long. */
const NEAR_SHARE = { certificate: 0.25, roots: 0.1 } as const;
/** Of lives of months and years, the last week, and of a root's the last month. */
const MOST_NEAR_MS = { certificate: 7 * 86_400_000, roots: 30 * 86_400_000 } as const;

export class ExpiryWatchdog implements Closable {
  readonly #parts: ExpiryWatchdogParts;
  /** Time left when it was last told of; told again when half of that is gone. */
  readonly #toldAtMs = new Map<string, number>();
  #timer: TimerHandle | undefined;

  constructor(parts: ExpiryWatchdogParts) {
    this.#parts = parts;
  }

  start(): void {
    this.look();
    this.#timer = this.#parts.time.setTimer(() => this.start(), LOOK_MS);
  }

  close(): void {
    this.#timer?.cancel();
  }

  ages(): CertificateAge[] {
    const nowMs = this.#parts.time.wallMs();
    return this.#parts.certificates().map(({ name, kind, notBeforeMs, notAfterMs }) => {
      const leftMs = notAfterMs - nowMs;
      const nearMs = Math.min((notAfterMs - notBeforeMs) * NEAR_SHARE[kind], MOST_NEAR_MS[kind]);
      return { name, leftMs, near: leftMs < nearMs };
    });
  }

  /** One line about every certificate that is near its end; undefined: none is. */
  detail(): string | undefined {
    const near = this.ages().filter((age) => age.near);
    if (near.length === 0) return undefined;
    const { problem } = this.#parts;
    const why = problem();
    return `${near.map(describe).join('; ')}${why === undefined ? '' : ` (${why})`}`;
  }

  look(): void {
    const { logger, problem } = this.#parts;
    for (const age of this.ages()) {
      const told = this.#toldAtMs.get(age.name);
      if (!age.near) {
        if (told !== undefined) logger.info(`${age.name}: its certificate is renewed`);
        this.#toldAtMs.delete(age.name);
        continue;
      }
      if (told !== undefined && (told <= 0 || age.leftMs > told / 2)) continue;
      this.#toldAtMs.set(age.name, age.leftMs);
      const why = problem();
      const text = `${describe(age)}${why === undefined ? '' : `; last renewal: ${why}`}`;
      if (age.leftMs <= 0) logger.error(text);
      else logger.warn(text);
    }
  }
}

function describe({ name, leftMs }: CertificateAge): string {
  return leftMs <= 0
    ? `certificate ${name} is over since ${spanText(-leftMs)}`
    : `certificate ${name} ends in ${spanText(leftMs)}`;
}

function spanText(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 5) return `${Math.floor(ms / 1000)} s`;
  if (minutes < 600) return `${minutes} min`;
  return minutes < 6000 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} days`;
}
