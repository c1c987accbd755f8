// What is measured, as data: names that result files use, titles and units for people, which direction is better.

export interface Metric {
  readonly title: string;
  readonly unit: string;
  readonly digits: number;
  /** Undefined: neither, the number only explains others. */
  readonly better: 'less' | 'more' | undefined;
  /** Smaller differences mean nothing, whatever the spread says: clock ticks, pages, timers. In the metric's unit. */
  readonly grain: number;
  /** Metrics of one group stand in one table. */
  readonly group: 'load' | 'latency' | 'memory';
}

const lessIsBetter = (
  title: string,
  unit: string,
  digits: number,
  more: { readonly grain: number; readonly group: Metric['group'] },
): Metric => ({ title, unit, digits, better: 'less', ...more });

const load = { grain: 0.3, group: 'load' } as const;
const memory = { grain: 0.3, group: 'memory' } as const;

function rateMetrics(rps: number): [string, Metric][] {
  const added = { grain: 50, group: 'latency' } as const;
  const at = `at ${rps}/s`;
  return [
    [`addedP50Us@${rps}`, lessIsBetter(`+p50 ${at}`, 'µs', 0, added)],
    [`addedP90Us@${rps}`, lessIsBetter(`+p90 ${at}`, 'µs', 0, added)],
    [`addedP99Us@${rps}`, lessIsBetter(`+p99 ${at}`, 'µs', 0, { ...added, grain: 200 })],
    [`addedP999Us@${rps}`, lessIsBetter(`+p99.9 ${at}`, 'µs', 0, { ...added, grain: 500 })],
    // Of the row without a proxy: what the others are above, and how far it scatters.
    [
      `directP99Us@${rps}`,
      { title: `p99 µs direct ${at}`, unit: 'µs', digits: 0, better: undefined, ...added },
    ],
    [`vcpu@${rps}`, lessIsBetter(`vCPU ${at}`, '', 3, { grain: 0.005, group: 'latency' })],
  ];
}

export const METRICS: ReadonlyMap<string, Metric> = new Map<string, Metric>([
  ['rps', { title: 'requests/s', unit: '', digits: 0, better: 'more', grain: 50, group: 'load' }],
  ['cpuUs', lessIsBetter('CPU µs/request', 'µs', 1, load)],
  ['userUs', lessIsBetter('user µs', 'µs', 1, load)],
  ['systemUs', lessIsBetter('system µs', 'µs', 1, load)],
  ['cpuUsPerMb', lessIsBetter('CPU µs/MB', 'µs', 0, { ...load, grain: 5 })],
  ['p50Us', lessIsBetter('p50 µs, saturated', 'µs', 0, { ...load, grain: 20 })],
  ['p99Us', lessIsBetter('p99 µs, saturated', 'µs', 0, { ...load, grain: 200 })],
  ...[1_000, 5_000].flatMap(rateMetrics),
  ['idleMb', lessIsBetter('private MB, idle', 'MB', 1, memory)],
  ['loadMb', lessIsBetter('private MB, load', 'MB', 1, memory)],
  ['residentMb', lessIsBetter('RSS MB, load', 'MB', 1, memory)],
  ['connectionKb', lessIsBetter('KB/idle connection', 'KB', 1, { ...memory, grain: 0.2 })],
  ['readyMs', lessIsBetter('exec to ready ms', 'ms', 0, { ...memory, grain: 10 })],
  ['allocatedBytes', lessIsBetter('bytes allocated/request', 'B', 0, { ...memory, grain: 20 })],
  ['gcPercent', lessIsBetter('GC % of time', '%', 2, { ...memory, grain: 0.2 })],
  // Config scale (bench/scale): the case is a number of services.
  ['pushMs', lessIsBetter('push in force ms', 'ms', 1, { ...memory, grain: 2 })],
  ['quietP99Us', { ...lessIsBetter('p99 µs, quiet', 'µs', 0, { ...memory, grain: 200 }) }],
  ['pushP99Us', lessIsBetter('p99 µs, pushes', 'µs', 0, { ...memory, grain: 200 })],
  ['stormP99Us', lessIsBetter('p99 µs, EDS storm', 'µs', 0, { ...memory, grain: 200 })],
  ['hugeMaxUs', lessIsBetter('slowest µs, huge assignment', 'µs', 0, { ...memory, grain: 5000 })],
]);

/** Values by metric, one for each round that measured it. */
export type Samples = Readonly<Record<string, readonly number[]>>;

export class SampleBag {
  readonly #samples = new Map<string, number[]>();

  add(metric: string, value: number): void {
    if (!METRICS.has(metric)) throw new Error(`no metric is called ${metric}`);
    const known = this.#samples.get(metric);
    if (known === undefined) this.#samples.set(metric, [value]);
    else known.push(value);
  }

  get empty(): boolean {
    return this.#samples.size === 0;
  }

  toSamples(): Samples {
    return Object.fromEntries(this.#samples);
  }
}
