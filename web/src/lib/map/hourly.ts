/** How much on a line was in time, hour by hour, and what was planned on a path, as the server tells them. */

import { instant } from '../time';

export interface HourRow {
  from: string;
  compared: number;
  on_time_share: number | null;
  early_share: number | null;
  late_share: number | null;
}

export interface Hour {
  from: number;
  compared: number;
  /** Shares from 0 to 1; all zero where nothing could be compared. */
  good: number;
  early: number;
  late: number;
}

export function readHours(rows: HourRow[]): Hour[] {
  return rows.map((row) => ({
    from: instant(row.from), compared: row.compared, good: row.on_time_share ?? 0, early: row.early_share ?? 0, late: row.late_share ?? 0,
  }));
}

/** The share in time over all hours; NaN where nothing could be compared. */
export function overall(hours: Hour[]): number {
  const [compared, good] = hours.reduce(([all, fine], hour) => [all + hour.compared, fine + hour.good * hour.compared], [0, 0]);
  return compared > 0 ? good / compared : NaN;
}

/** A run as it was planned: instants and metres along the path. */
export interface PlannedRun {
  at: number[];
  along: number[];
}
