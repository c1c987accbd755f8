// Median and spread of a few rounds, and whether two sets of rounds differ.
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  const lower = sorted.length % 2 === 1 ? upper : (sorted[middle - 1] ?? Number.NaN);
  return {
    median: (lower + upper) / 2,
    least: sorted[0] ?? Number.NaN,
    most: sorted.at(-1) ?? Number.NaN,
  };
}

/** Fewer rounds tell nothing about noise. */
export const LEAST_ROUNDS = 3;
/** Caches, address layout and frequency make as much between two runs of one and the same program. */
const LEAST_CHANGE = 0.03;

export type Difference = 'less' | 'more' | 'noise' | 'too few rounds';

/**
 * `b` against `a`. Beyond noise is only what all rounds agree on (their ranges do not touch), that is 3 % or more, and more
 * than `grain` in the values' own unit.
 */
export function difference(a: readonly number[], b: readonly number[], grain: number): Difference {
  if (a.length < LEAST_ROUNDS || b.length < LEAST_ROUNDS) return 'too few rounds';
  const before = spreadOf(a);
  const after = spreadOf(b);
  const apart = before.most < after.least || after.most < before.least;
  const change = after.median - before.median;
  if (!apart || Math.abs(change) <= Math.max(grain, Math.abs(before.median) * LEAST_CHANGE))
    return 'noise';
  return change < 0 ? 'less' : 'more';
}
