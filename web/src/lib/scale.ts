/** Vertical scales that keep still: nice steps, and no change until the data really asks for one. */

export interface Scale {
  low: number;
  high: number;
  step: number;
}

const STEPS = [1, 2, 2.5, 5, 10];

/** The smallest nice step with which about `most` of them cover the span. */
export function niceStep(span: number, most: number): number {
  const raw = span / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  return (STEPS.find((size) => size * power >= raw * 0.999) ?? 10) * power;
}

/** A scale around the data with a little air; data without height still gets a band. */
export function niceScale(low: number, high: number): Scale {
  const height = high - low || Math.max(Math.abs(high) * 0.02, 1);
  const step = niceStep(height * 1.16, 5);
  const air = height * 0.06;
  return { low: Math.floor((low - air) / step) * step, high: Math.ceil((high + air) / step) * step, step };
}

/** The scale to use next: the same one while the data fits into it and fills a fair part of it. */
export function steadyScale(before: Scale | null, low: number, high: number): Scale {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return before ?? { low: 0, high: 1, step: 0.25 };
  const wanted = niceScale(low, high);
  if (!before) return wanted;
  const fits = low >= before.low && high <= before.high;
  const fills = wanted.high - wanted.low > 0.45 * (before.high - before.low);
  return fits && fills ? before : wanted;
}

/** Positions of the lines of a scale. */
export function lines({ low, high, step }: Scale): number[] {
  const amount = Math.round((high - low) / step);
  return Array.from({ length: amount + 1 }, (_, index) => low + index * step);
}

/** Decimals that the words beside the lines need. */
export function stepDecimals(step: number): number {
  for (let digits = 0; digits < 6; digits += 1) {
    if (Math.abs(step - Number(step.toFixed(digits))) < step * 1e-6) return digits;
  }
  return 6;
}
