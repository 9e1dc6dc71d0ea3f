/** What moved once: between two fixes that are both known, a thing is exactly between them. */

import { perMetre } from './mercator';
import { FAR, type Fix } from './motion';
import type { Spot } from './path';

/** Fixes of one thing, oldest first. */
export type Track<T extends { fix: Fix }> = T[];

/** The last of a track that is not later than an instant; -1 where all are later. */
export function indexAt<T extends { fix: Fix }>(track: Track<T>, at: number): number {
  let [low, high] = [-1, track.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((track[middle]?.fix.at ?? Infinity) <= at) low = middle;
    else high = middle;
  }
  return low;
}

/** Where a thing was between two fixes; behind a silence longer than `most` ms it stays at the first. */
export function between(before: Fix, after: Fix | undefined, at: number, most: number, out: Spot): Spot {
  out.x = before.x;
  out.y = before.y;
  out.bearing = before.bearing;
  const share = shareOf(before, after, at, most);
  if (before.path && Number.isFinite(before.along)) {
    const goes = after !== undefined && after.path === before.path && after.along >= before.along;
    before.path.spot(before.along + (goes ? (after.along - before.along) * share : 0), out);
    if (goes || share === 0) return out;
  }
  // From one way to another far off nothing is between: it was not driving there.
  const near = after !== undefined && Math.hypot(after.x - before.x, after.y - before.y) <= FAR * perMetre(before.y);
  if (after && near && share > 0) {
    out.x = before.x + (after.x - before.x) * share;
    out.y = before.y + (after.y - before.y) * share;
  }
  return out;
}

function shareOf(before: Fix, after: Fix | undefined, at: number, most: number): number {
  const span = after ? after.at - before.at : 0;
  return span > 0 && span <= most ? Math.max(0, Math.min(1, (at - before.at) / span)) : 0;
}
