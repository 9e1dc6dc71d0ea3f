/** Frames: columns with rows, as every question about data is answered. */

import { instant } from './time';
import type { Cell, Column, Frame, Output, WindowInfo } from './types';

export type Row = Record<string, Cell>;

/** Place of a column by name; -1 where the frame has none. */
export function place(frame: Frame, name: string): number {
  return frame.columns.findIndex((column) => column.name === name);
}

/** Columns that may be given as plain names. */
export function asColumns(columns: (Column | string)[]): Column[] {
  return columns.map((column) => (typeof column === 'string' ? { name: column, type: 'string', unit: null } : column));
}

export function asNumber(cell: Cell | undefined): number | null {
  return typeof cell === 'number' && Number.isFinite(cell) ? cell : null;
}

export function asText(cell: Cell | undefined): string {
  return cell === null || cell === undefined ? '' : String(cell);
}

/** One window of one series. `values` are the declared outputs in their order. */
export interface WindowRow {
  start: number;
  end: number;
  open: boolean;
  values: (number | null)[];
}

/** Reads window rows, keeping those whose key columns have the wanted values. */
export function windowRows(frame: Frame, window: WindowInfo, where: Record<string, string>): WindowRow[] {
  const start = place(frame, 'window_start');
  const end = place(frame, 'window_end');
  const open = place(frame, 'open');
  const outputs = window.outputs.map((output) => place(frame, output.name));
  const keys = Object.entries(where).map(([name, value]) => ({ at: place(frame, name), value }));
  const rows: WindowRow[] = [];
  for (const row of frame.rows) {
    if (keys.some(({ at, value }) => at >= 0 && asText(row[at]) !== value)) continue;
    rows.push({
      start: instant(row[start]),
      end: instant(row[end]),
      open: open >= 0 && row[open] === true,
      values: outputs.map((at) => asNumber(row[at])),
    });
  }
  return rows;
}

/** Newer rows laid over older ones, one per span, oldest first. */
export function mergeWindows(older: WindowRow[], newer: WindowRow[]): WindowRow[] {
  if (newer.length === 0) return older;
  const merged = new Map<number, WindowRow>();
  for (const row of [...older, ...newer]) merged.set(row.start, row);
  return [...merged.values()].sort((left, right) => left.start - right.start);
}

/** Which outputs of a window a chart can draw, and where they are among the values. */
export interface Bars {
  mean: number;
  minimum: number;
  maximum: number;
  count: number;
}

export function barOutputs(window: WindowInfo, value: string): Bars {
  const find = (kind: string) => {
    const fits = (output: Output) => output.kind === kind;
    const exact = window.outputs.findIndex((output) => fits(output) && output.column === value);
    return exact >= 0 ? exact : window.outputs.findIndex(fits);
  };
  return { mean: find('mean'), minimum: find('minimum'), maximum: find('maximum'), count: find('count') };
}
