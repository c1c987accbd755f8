// [m] HealthTally: how many hosts of a cluster are what, kept up with each change instead of counted.
import { Health, HealthFlag, healthOf, isExcluded } from './host-health.ts';

export interface HostCensus {
  readonly total: number;
  readonly healthy: number;
  readonly degraded: number;
  readonly excluded: number;
}

/** What one host counts as. */
const Counts = {
  Total: 1,
  Healthy: 2,
  Degraded: 4,
  Excluded: 8,
  /** By its active checks alone. */
  Passing: 16,
  PassingDegraded: 32,
} as const;

export interface TalliedHost {
  readonly flags: number;
  readonly session: object | null;
}

export class HealthTally {
  readonly #countedAs = new Map<TalliedHost, number>();
  #total = 0;
  #healthy = 0;
  #degraded = 0;
  #excluded = 0;
  passing = 0;
  passingDegraded = 0;

  get census(): HostCensus {
    return {
      total: this.#total,
      healthy: this.#healthy,
      degraded: this.#degraded,
      excluded: this.#excluded,
    };
  }

  /** The host came, or is not what it was. */
  put(host: TalliedHost): void {
    const counts = countsOf(host);
    this.#move(this.#countedAs.get(host) ?? 0, counts);
    this.#countedAs.set(host, counts);
  }

  remove(host: TalliedHost): void {
    this.#move(this.#countedAs.get(host) ?? 0, 0);
    this.#countedAs.delete(host);
  }

  #move(before: number, after: number): void {
    if (before === after) return;
    const difference = (bit: number): number =>
      ((after & bit) === 0 ? 0 : 1) - ((before & bit) === 0 ? 0 : 1);
    this.#total += difference(Counts.Total);
    this.#healthy += difference(Counts.Healthy);
    this.#degraded += difference(Counts.Degraded);
    this.#excluded += difference(Counts.Excluded);
    this.passing += difference(Counts.Passing);
    this.passingDegraded += difference(Counts.PassingDegraded);
  }
}

function countsOf({ flags, session }: TalliedHost): number {
  const health = healthOf(flags);
  let counts: number = Counts.Total;
  if (health === Health.Healthy) counts |= Counts.Healthy;
  if (health === Health.Degraded) counts |= Counts.Degraded;
  if (isExcluded(flags)) counts |= Counts.Excluded;
  if (session === null) return counts;
  if ((flags & HealthFlag.FailedActiveCheck) === 0) counts |= Counts.Passing;
  if ((flags & HealthFlag.DegradedActiveCheck) !== 0) counts |= Counts.PassingDegraded;
  return counts;
}
