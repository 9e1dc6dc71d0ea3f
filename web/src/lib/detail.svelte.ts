/** One series over a span: its readings and its windows, loaded once and then kept by the live stream. */

import { aborted, address, asProblem, get, type Parameters, type Problem, segment } from './api';
import { clock } from './clock.svelte';
import { asNumber, asText, mergeWindows, place, windowRows, type WindowRow } from './frame';
import { type Range, spanOf } from './range';
import { instant, iso } from './time';
import type { Frame, Layer, LiveUpdate, WindowInfo } from './types';

/** As many windows as the server gives in one answer. */
export const MOST_WINDOWS = 100_000;
const MOST_READINGS = 3000;
/** Beyond so many windows in sight no single readings are drawn. */
const MOST_BARS = 300;

export interface Selection {
  thing: string;
  series: string;
}

export interface Readings {
  at: number[];
  values: (number | null)[];
}

export class Detail {
  readings = $state.raw<Readings>({ at: [], values: [] });
  /** Oldest first. */
  windows = $state.raw<WindowRow[]>([]);
  thinned = $state(false);
  /** Some windows of the range did not fit into one answer. */
  cut = $state(false);
  loading = $state(true);
  problem = $state.raw<Problem | null>(null);

  #abort = new AbortController();

  constructor(
    readonly layer: Layer,
    readonly window: WindowInfo | null,
    readonly selection: Selection,
    readonly range: Range,
  ) {}

  close(): void {
    this.#abort.abort();
  }

  async load(): Promise<void> {
    this.#abort.abort();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    const { from, to } = spanOf(this.range, clock.precise());
    const lead = this.range.live ? (this.window?.size_seconds ?? 0) * 1000 : 0;
    const times: Parameters = { from: iso(from - lead), ...(this.range.live ? {} : { to: iso(to) }) };
    // Windows are ready-made and come at once; single readings of a long time are looked for in the log.
    const parts = [this.#loadWindows(times, signal), this.withReadings ? this.#loadReadings(times, signal) : null];
    const both = Promise.all(parts);
    // It is awaited below; without this, a failure before that would count as one that nobody handles.
    both.catch(() => undefined);
    try {
      await (this.window ? parts[0] : parts[1]);
      this.loading = false;
      await both;
      this.problem = null;
    } catch (error) {
      if (aborted(error) || signal.aborted) return;
      this.problem = asProblem(error);
      this.loading = false;
    }
  }

  get empty(): boolean {
    return this.windows.length === 0 && this.readings.at.length === 0;
  }

  /** Of very many windows the averages are the line; single readings would only blacken it. */
  get withReadings(): boolean {
    const { from, to } = spanOf(this.range, clock.precise());
    return !this.window || to - from <= MOST_BARS * this.window.size_seconds * 1000 || this.window.kind === 'session';
  }

  async #loadWindows(times: Parameters, signal: AbortSignal): Promise<void> {
    if (!this.window) return;
    const frame = await get<Frame>(this.#windowsPath(), { ...times, ...this.windowKeys(), limit: MOST_WINDOWS }, signal);
    this.windows = mergeWindows([], windowRows(frame, this.window, this.windowKeys()));
    this.cut = frame.rows.length >= MOST_WINDOWS;
  }

  async #loadReadings(times: Parameters, signal: AbortSignal): Promise<void> {
    const path = `/v1/series/${segment(this.layer.name)}`;
    this.#takeReadings(await get<Frame>(path, { ...times, ...this.#keys(), limit: MOST_READINGS }, signal));
  }

  /** What the live stream says of this series; fixed ranges do not move. */
  apply(update: LiveUpdate): void {
    if (!this.range.live || this.loading) return;
    const table = update.tables?.[this.layer.table];
    if (table && this.withReadings) this.#append(table, this.#oldest());
  }

  /** The newest windows again: those that were open have grown or closed, and others have begun. */
  async follow(): Promise<void> {
    if (this.problem) return this.load();
    if (!this.range.live || this.loading || !this.window) return;
    const { signal } = this.#abort;
    const newest = this.windows.at(-1)?.start ?? this.#oldest();
    const from = this.windows.find((row) => row.open)?.start ?? newest;
    try {
      const frame = await get<Frame>(this.#windowsPath(), { from: iso(from), ...this.windowKeys(), limit: 1000 }, signal);
      const rows = windowRows(frame, this.window, this.windowKeys());
      const oldest = this.#oldest();
      if (!signal.aborted) this.windows = mergeWindows(this.windows, rows).filter((row) => row.end > oldest);
    } catch {
      // The bar says that the server does not answer; what is shown ages until it does.
    }
  }

  #oldest(): number {
    const span = this.range.live ? this.range.span : 0;
    return clock.precise() - span - (this.window?.size_seconds ?? 0) * 1000;
  }

  /** Rows that are shown: those of the range, newest first. */
  shown(now: number): WindowRow[] {
    if (!this.range.live) return this.windows.toReversed();
    const { from } = spanOf(this.range, now);
    return this.windows.filter((row) => row.end > from).reverse();
  }

  /** Where exactly these rows are to be had as a file. */
  exportAddress(rows: WindowRow[], format: 'csv' | 'parquet'): string {
    const { from, to } = spanOf(this.range, clock.now);
    const times = this.range.live
      ? { from: iso(rows.at(-1)?.start ?? from), to: iso(Math.max(to, ...rows.slice(0, 3).map((row) => row.end))) }
      : { from: iso(from), to: iso(to) };
    if (!this.window) {
      const path = `/v1/series/${segment(this.layer.name)}`;
      return address(path, { ...times, ...this.#keys(), limit: MOST_READINGS, format });
    }
    return address(this.#windowsPath(), { ...times, ...this.windowKeys(), limit: MOST_WINDOWS, format });
  }

  windowKeys(): Record<string, string> {
    const keys = this.#keys();
    return Object.fromEntries(Object.entries(keys).filter(([name]) => this.window?.by.includes(name)));
  }

  #keys(): Record<string, string> {
    const { thing, series } = this.layer;
    return { [thing]: this.selection.thing, ...(series ? { [series]: this.selection.series } : {}) };
  }

  #windowsPath(): string {
    return `/v1/windows/${segment(this.window?.name ?? '')}`;
  }

  #takeReadings(frame: Frame): void {
    const [time, value] = [named(frame, this.layer.time, 0), named(frame, this.layer.value, 1)];
    const pairs = frame.rows.map((row) => [instant(row[time]), asNumber(row[value])] as const);
    pairs.sort(([left], [right]) => left - right);
    this.readings = { at: pairs.map(([at]) => at), values: pairs.map(([, reading]) => reading) };
    this.thinned = frame.thinned === true;
  }

  #append(table: Frame, oldest: number): void {
    const keys = Object.entries(this.#keys()).map(([name, wanted]) => [place(table, name), wanted] as const);
    const [time, value] = [place(table, this.layer.time), place(table, this.layer.value)];
    const { at, values } = this.readings;
    const fresh = table.rows
      .filter((row) => keys.every(([index, wanted]) => asText(row[index]) === wanted))
      .map((row) => [instant(row[time]), asNumber(row[value])] as const)
      .filter(([when]) => when > (at.at(-1) ?? 0));
    if (fresh.length === 0) return;
    const from = at.findIndex((when) => when > oldest);
    const kept = from < 0 ? at.length : from;
    this.readings = {
      at: [...at.slice(kept), ...fresh.map(([when]) => when)],
      values: [...values.slice(kept), ...fresh.map(([, reading]) => reading)],
    };
  }
}

/** Place of a column by its declared name; answers of two columns may give them shorter ones. */
function named(frame: Frame, name: string, otherwise: number): number {
  const at = place(frame, name);
  return at < 0 ? otherwise : at;
}
