// [m] Whether counts agree with the shares asked for: Pearson's χ².

/** Beyond these one run in a thousand ends by chance; indexed by degrees of freedom. */
const BOUNDS = [0, 10.83, 13.82, 16.27, 18.47];

export interface Split {
  /** Counts by name, and the weights they should follow; names without a weight must not occur. */
  readonly counts: ReadonlyMap<string, number>;
  readonly weights: ReadonlyMap<string, number>;
}

export function countBy<T>(items: readonly T[], key: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return counts;
}

export function chiSquare({ counts, weights }: Split): number {
  let total = 0;
  let weightSum = 0;
  for (const [name, count] of counts) {
    if (!weights.has(name)) return Infinity;
    total += count;
  }
  for (const weight of weights.values()) weightSum += weight;
  let sum = 0;
  for (const [name, weight] of weights) {
    const expected = (total * weight) / weightSum;
    sum += ((counts.get(name) ?? 0) - expected) ** 2 / expected;
  }
  return sum;
}

export interface SplitVerdict {
  readonly ok: boolean;
  readonly text: string;
}

/**
 * Whether the split is as asked, p < 0.001. A split that is right fails that once in a thousand, so it is drawn a second
 * time before it counts as wrong: a wrong one fails both.
 */
export async function checkSplit(
  weights: ReadonlyMap<string, number>,
  draw: () => Promise<ReadonlyMap<string, number>>,
): Promise<SplitVerdict> {
  const bound = BOUNDS[weights.size - 1]!;
  const texts: string[] = [];
  for (let round = 0; round < 2; round++) {
    const counts = await draw();
    const found = chiSquare({ counts, weights });
    const shown = [...counts]
      .map(([name, count]) => `${name}: ${count}`)
      .sort()
      .join(', ');
    texts.push(`${shown} (χ² ${found.toFixed(2)}, bound ${bound})`);
    if (found <= bound) return { ok: true, text: texts.join('; then ') };
  }
  return { ok: false, text: texts.join('; then ') };
}
