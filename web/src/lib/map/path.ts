/** A way on the ground that things move along: where on it a distance is, and in which direction it goes there. */

import { perMetre, type Point, project } from './mercator';

export interface Spot extends Point {
  /** Degrees clockwise from north; NaN where nobody knows. */
  bearing: number;
}

export class Path {
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** Distance from the start at each place, in the unit in which things tell theirs. */
  readonly at: Float64Array;

  /** `length` is the whole path's as things measure it; where it is given, it counts instead of ours. */
  constructor(
    readonly id: string,
    readonly line: string,
    coordinates: readonly (readonly [number, number])[],
    length: number | null = null,
  ) {
    const points = coordinates.map(([longitude, latitude]) => project(longitude, latitude));
    this.x = Float64Array.from(points, ({ x }) => x);
    this.y = Float64Array.from(points, ({ y }) => y);
    this.at = new Float64Array(points.length);
    for (let index = 1; index < points.length; index += 1) {
      this.at[index] = (this.at[index - 1] ?? 0) + this.#step(index);
    }
    const own = this.length;
    if (length !== null && length > 0 && own > 0) for (let index = 0; index < this.at.length; index += 1) this.at[index] = ((this.at[index] ?? 0) * length) / own;
  }

  get length(): number {
    return this.at[this.at.length - 1] ?? 0;
  }

  #step(index: number): number {
    const [x0, y0] = [this.x[index - 1] ?? 0, this.y[index - 1] ?? 0];
    const [x1, y1] = [this.x[index] ?? 0, this.y[index] ?? 0];
    return Math.hypot(x1 - x0, y1 - y0) / perMetre((y0 + y1) / 2);
  }

  /** The last place that is not beyond a distance, but never the very last one. */
  #part(along: number): number {
    let [low, high] = [0, this.at.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.at[middle] ?? 0) <= along) low = middle;
      else high = middle;
    }
    return low;
  }

  /** How much of a part lies before a distance. */
  #share(part: number, along: number): number {
    const size = step(this.at, part);
    return size > 0 ? Math.max(0, Math.min(1, (along - (this.at[part] ?? 0)) / size)) : 0;
  }

  /** The place at a distance from the start; distances beyond an end are at that end. */
  spot(along: number, out: Spot): Spot {
    if (this.at.length < 2) {
      out.x = this.x[0] ?? 0;
      out.y = this.y[0] ?? 0;
      return out;
    }
    const low = this.#part(along);
    const share = this.#share(low, along);
    const [dx, dy] = [step(this.x, low), step(this.y, low)];
    out.x = (this.x[low] ?? 0) + dx * share;
    out.y = (this.y[low] ?? 0) + dy * share;
    if (dx !== 0 || dy !== 0) out.bearing = bearingOf(dx, dy);
    return out;
  }
}

function step(values: Float64Array, at: number): number {
  return (values[at + 1] ?? 0) - (values[at] ?? 0);
}

/** The direction of a step on the plane (y downwards). */
export function bearingOf(dx: number, dy: number): number {
  return ((Math.atan2(dx, -dy) * 180) / Math.PI + 360) % 360;
}
