// Config scale: how many services a proxy is told about, as rows.

export interface Scale {
  /** Stays the same over time: results are compared by it. */
  readonly name: string;
  readonly services: number;
  /** Of each service. */
  readonly endpoints: number;
}

export const SCALES: readonly Scale[] = [
  ...[10, 1_000, 5_000].map((services) => ({
    name: `config-${services}-services`,
    services,
    endpoints: 3,
  })),
  { name: 'config-5000-services-10-endpoints', services: 5_000, endpoints: 10 },
];

/** A storm changes so many assignments a second. */
export const STORM_RATE = 1_000;
/** Hosts of one assignment that nobody should send. */
export const HUGE_ASSIGNMENT = 100_000;
