/** On which side of its dot a name stands: where it covers the least of the lines. */

import type { Point } from './mercator';
import type { Path } from './path';

/** Where a name may stand beside its dot, the usual place first. */
export const SIDES = [[1, 0], [-1, 0], [0, -14], [0, 15]] as const;
/** Half the height of a name, in pixels. */
export const HALF = 8;
/** Pixels of line that the usual place may cover more than another one, before it is given up. */
const DEAR = 6;

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** The box of a name of a width, in pixels from the dot. */
export function boxAt(side: number, width: number): Box {
  const [x, y] = SIDES[side] ?? SIDES[0];
  const left = x < 0 ? -width - 12 : x > 0 ? 12 : -width / 2;
  return { left, top: y - HALF, right: left + width, bottom: y + HALF };
}

/** The order in which the sides are to be tried. `scale` are pixels per unit of the world. */
export function order(paths: Iterable<Path>, dot: Point, width: number, scale: number): number[] {
  const boxes = SIDES.map((_, side) => boxAt(side, width));
  const cost = SIDES.map((_, side) => side * DEAR);
  const [wide, high] = [width + 14, 26];
  for (const { x, y } of paths) {
    for (let index = 1; index < x.length; index += 1) {
      const [x0, y0] = [((x[index - 1] ?? 0) - dot.x) * scale, ((y[index - 1] ?? 0) - dot.y) * scale];
      const [x1, y1] = [((x[index] ?? 0) - dot.x) * scale, ((y[index] ?? 0) - dot.y) * scale];
      if (beyond(x0, x1, wide) || beyond(y0, y1, high)) continue;
      boxes.forEach((box, side) => (cost[side] = (cost[side] ?? 0) + covered(box, x0, y0, x1, y1)));
    }
  }
  return SIDES.map((_, side) => side).sort((a, b) => (cost[a] ?? 0) - (cost[b] ?? 0) || a - b);
}

/** Whether both ends lie beyond the same edge. */
function beyond(a: number, b: number, edge: number): boolean {
  return Math.min(a, b) > edge || Math.max(a, b) < -edge;
}

/** How much of a stretch lies within a box: Liang and Barsky's clipping. */
export function covered(box: Box, x0: number, y0: number, x1: number, y1: number): number {
  const [dx, dy] = [x1 - x0, y1 - y0];
  let [begin, end] = [0, 1];
  for (const [step, room] of [[-dx, x0 - box.left], [dx, box.right - x0], [-dy, y0 - box.top], [dy, box.bottom - y0]] as const) {
    if (step === 0) {
      if (room < 0) return 0;
    } else if (step < 0) begin = Math.max(begin, room / step);
    else end = Math.min(end, room / step);
  }
  return begin < end ? (end - begin) * Math.hypot(dx, dy) : 0;
}
