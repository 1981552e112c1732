/** Figures of a series of measurements. Pure. */

export interface Summary {
  readonly n: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Percentiles by rank; rounded to 0.001. */
export function summary(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN);
  return { n: values.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: round(sorted.at(-1) ?? NaN) };
}

export function round(value: number, digits = 3): number {
  return Number(value.toFixed(digits));
}

/** A figure against its goal. */
export function goal(figure: string, value: number, limit: number, unit: string): Record<string, unknown> {
  return { figure, value: round(value), limit, unit, reached: value <= limit };
}
