// Config scale: how many services a proxy is told about, as rows.

export interface Scale {
  /** Stays the same over time: results are compared by it. */
  readonly name: string;
  readonly services: number;
}

export const SCALES: readonly Scale[] = [10, 1_000, 5_000].map((services) => ({
  name: `config-${services}-services`,
  services,
}));

export const ENDPOINTS_PER_SERVICE = 3;
