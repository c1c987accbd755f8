// [b] Log-linear histogram (two significant decimal digits, as Envoy's): cheap to record, mergeable across workers.
//
// A value v ≥ 1 falls into bucket (exponent, mantissa 10..99) so that mantissa × 10^(exponent-1) ≤ v; values
// below 1 and above 10^12 are clamped to the ends. Bucket index = exponent × 90 + (mantissa - 10) + 1; 0 is zero.

const EXPONENTS = 13;
const BUCKETS = EXPONENTS * 90 + 1;

const POWERS: number[] = [];
for (let i = 0; i < EXPONENTS; i++) POWERS.push(10 ** i);

/** Bucket of a value; negative and NaN count as zero. */
export function bucketOf(value: number): number {
  if (!(value >= 1)) return 0;
  let exponent = 0;
  while (exponent < EXPONENTS - 1 && value >= POWERS[exponent + 1]!) exponent++;
  const mantissa = Math.min(99, Math.floor((value * 10) / POWERS[exponent]!));
  return exponent * 90 + (mantissa - 10) + 1;
}

/** Lower edge of a bucket, and its width. */
export function bucketRange(bucket: number): { readonly low: number; readonly width: number } {
  if (bucket === 0) return { low: 0, width: 0 };
  const exponent = Math.floor((bucket - 1) / 90);
  const mantissa = ((bucket - 1) % 90) + 10;
  const step = POWERS[exponent]! / 10;
  return { low: mantissa * step, width: step };
}

export class LogLinearHistogram {
  #counts: Uint32Array | null = null;
  #count = 0;
  #sum = 0;

  get count(): number {
    return this.#count;
  }

  record(value: number): void {
    this.#counts ??= new Uint32Array(BUCKETS);
    this.#counts[bucketOf(value)]!++;
    this.#count++;
    this.#sum += value;
  }

  /**
   * Non-empty buckets as [bucket, count, …] and back to empty, without the memory of the buckets: most histograms rest, some for ever.
   * Call drainSum() right after.
   */
  drain(): Float64Array {
    const pairs: number[] = [];
    const counts = this.#counts;
    if (counts !== null) {
      for (let i = 0; i < BUCKETS; i++) if (counts[i]! > 0) pairs.push(i, counts[i]!);
    }
    this.#counts = null;
    this.#count = 0;
    return Float64Array.from(pairs);
  }

  drainSum(): number {
    const sum = this.#sum;
    this.#sum = 0;
    return sum;
  }
}
