/** What has called at a place, as the server has inferred it: when, how far behind the one ahead, and how even that is. */

import { instant } from '../time';
import type { PassedRow } from '../types';

export interface Passed {
  thing: string;
  at: number;
  /** Seconds; NaN where none was ahead. */
  headway: number;
  dwell: number;
  spacing: string;
}

/** What went off on a path, the newest first; at the end of a path, where nothing goes off, what came. */
export function passedOn(rows: PassedRow[], path: string): Passed[] {
  const own = rows.filter((row) => row.path === path);
  const event = own.some((row) => row.event === 'departure') ? 'departure' : 'arrival';
  return own
    .filter((row) => row.event === event)
    .map((row) => ({ thing: row.thing ?? '', at: instant(row.at), headway: row.headway ?? NaN, dwell: row.dwell ?? NaN, spacing: row.spacing ?? '' }))
    .sort((a, b) => b.at - a.at);
}
