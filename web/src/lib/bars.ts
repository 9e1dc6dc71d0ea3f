/** Windows as a chart draws them: a band from minimum to maximum with the average across. */

import type { Bars, WindowRow } from './frame';

export interface Bar {
  start: number;
  end: number;
  low: number | null;
  high: number | null;
  mean: number | null;
  open: boolean;
}

export function barsOf(rows: WindowRow[], outputs: Bars): Bar[] {
  const read = (row: WindowRow, at: number) => (at < 0 ? null : (row.values[at] ?? null));
  return rows.map((row) => ({
    start: row.start,
    end: row.end,
    low: read(row, outputs.minimum),
    high: read(row, outputs.maximum),
    mean: read(row, outputs.mean),
    open: row.open,
  }));
}

/**
 * Bars narrower than the eye can part, drawn as one: extremes of the extremes, and the plain average of averages,
 * which is only a place on the picture and never a number that is shown.
 */
export function coarser(bars: Bar[], span: number): Bar[] {
  const groups = new Map<number, Bar[]>();
  for (const bar of bars) {
    const at = Math.floor(bar.start / span);
    const group = groups.get(at);
    if (group) group.push(bar);
    else groups.set(at, [bar]);
  }
  return [...groups.values()].map(together);
}

function together(bars: Bar[]): Bar {
  const present = (pick: (bar: Bar) => number | null) => bars.map(pick).filter((value) => value !== null);
  const [lows, highs, means] = [present((bar) => bar.low), present((bar) => bar.high), present((bar) => bar.mean)];
  return {
    start: Math.min(...bars.map((bar) => bar.start)),
    end: Math.max(...bars.map((bar) => bar.end)),
    low: lows.length > 0 ? Math.min(...lows) : null,
    high: highs.length > 0 ? Math.max(...highs) : null,
    mean: means.length > 0 ? means.reduce((sum, value) => sum + value, 0) / means.length : null,
    open: bars.some((bar) => bar.open),
  };
}

/** The window in which an instant lies; of several (hopping ones) the one that began last. */
export function barAt(bars: Bar[], at: number): Bar | undefined {
  return bars.findLast((bar) => bar.start <= at && at < bar.end);
}

/** Lines do not bridge silence: a null between two readings that lie further apart than `gap`. */
export function withGaps(at: number[], values: (number | null)[], gap: number): [number[], (number | null)[]] {
  const times: number[] = [];
  const read: (number | null)[] = [];
  at.forEach((time, index) => {
    const before = at[index - 1];
    if (before !== undefined && time - before > gap) {
      times.push((before + time) / 2);
      read.push(null);
    }
    times.push(time);
    read.push(values[index] ?? null);
  });
  return [times, read];
}

/** How long a silence must be to break the line: some times the usual distance. */
export function gapOf(at: number[], window: number): number {
  if (at.length < 3) return Math.max(window * 2, 60_000);
  const distances = at.slice(1).map((time, index) => time - (at[index] ?? time));
  distances.sort((left, right) => left - right);
  const usual = distances[Math.floor(distances.length / 2)] ?? 0;
  return Math.max(usual * 5, 3_000);
}
