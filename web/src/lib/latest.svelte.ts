/** The newest value of every series of a layer: loaded once, then kept by the live stream. */

import { asProblem, get, type Problem, segment } from './api';
import { clock } from './clock.svelte';
import { byName, sharedDecimals } from './format';
import { asNumber, asText, place } from './frame';
import { instant, MINUTE, SECOND } from './time';
import type { Column, Frame, Layer, Sparklines } from './types';

export type Point = [at: number, value: number];

export const SPARK = 10 * MINUTE;
const SPARK_STEP = 10 * SECOND;
/** Tables up to here are held whole; of larger ones a page of rows is asked for again and again. */
const WHOLE = 500;
const PAGE = 100;
const SEPARATOR = '\u001f';

/** One series of one thing. Its fields change in place, so only the cells that show them are drawn again. */
export class Reading {
  value = $state<number | null>(null);
  at = $state(NaN);
  unit = $state('');
  points = $state.raw<Point[]>([]);
  decimals = $state(0);

  constructor(
    readonly thing: string,
    readonly series: string,
  ) {}

  get key(): string {
    return this.thing + SEPARATOR + this.series;
  }

  take(at: number, value: number | null, unit: string): void {
    if (Number.isFinite(this.at) && at < this.at) return;
    this.at = at;
    this.value = value;
    this.unit = unit;
    if (value === null) return;
    // Once a decimal was needed it stays, so that 24.0 does not jump to 24.
    this.decimals = Math.max(this.decimals, sharedDecimals([value]));
    this.#draw(at, value);
  }

  give(points: Point[]): void {
    this.points = points;
  }

  /** One point per ten seconds is all that a sparkline shows; the first minute may show more. */
  #draw(at: number, value: number): void {
    const last = this.points.at(-1);
    if (last && at - last[0] < (this.points.length < 60 ? SECOND : SPARK_STEP)) return;
    this.points = [...this.points.filter(([time]) => time > at - SPARK), [at, value]];
  }
}

export class Latest {
  rows = $state.raw<Reading[]>([]);
  total = $state(0);
  /** The table is too large to be held whole: the server searches, and rows are asked for in turn. */
  partial = $state(false);
  ready = $state(false);
  problem = $state.raw<Problem | null>(null);

  // The rows are reactive by themselves; this only finds them.
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- nothing is drawn from it
  #known = new Map<string, Reading>();
  #search = { q: '', only: '' };
  #limit = PAGE;
  #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly layer: Layer) {}

  close(): void {
    this.#abort.abort();
    clearTimeout(this.#timer);
  }

  async load(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      const limit = this.partial ? this.#limit : WHOLE;
      const path = `/v1/tables/${segment(this.layer.table)}`;
      const search = this.partial ? this.#filters() : {};
      const frame = await get<Frame>(path, { limit, ...search }, this.#abort.signal);
      const total = frame.total ?? frame.rows.length;
      if (!this.partial && total > WHOLE) {
        this.partial = true;
        return await this.load();
      }
      this.total = total;
      this.replace(frame);
      if (!this.ready) void this.#sparklines();
      this.ready = true;
      this.problem = null;
      if (this.partial) this.#timer = setTimeout(() => void this.load(), 2 * SECOND);
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.problem = asProblem(error);
      this.#timer = setTimeout(() => void this.load(), 3 * SECOND);
    }
  }

  /** Of a table that is not held whole: which of its rows are wanted. */
  search(q: string, only: string): void {
    if (q === this.#search.q && only === this.#search.only) return;
    this.#search = { q, only };
    this.#limit = PAGE;
    if (this.partial) void this.load();
  }

  more(): void {
    this.#limit += PAGE;
    void this.load();
  }

  #filters(): Record<string, string> {
    const { series } = this.layer;
    return { q: this.#search.q, ...(series && this.#search.only ? { [series]: this.#search.only } : {}) };
  }

  /** All rows, as they are now: what is not among them is gone. */
  replace(frame: Frame): void {
    // eslint-disable-next-line svelte/prefer-svelte-reactivity -- lives for one call
    const seen = new Set(this.#take(frame));
    for (const key of this.#known.keys()) if (!seen.has(key)) this.#known.delete(key);
    this.#sort();
  }

  /** Rows that have changed. Returns the time of the newest of them. */
  apply(frame: Frame): number {
    const before = this.#known.size;
    const added = this.#take(frame, this.partial).length > 0 && this.#known.size !== before;
    const removed = (frame.deleted ?? []).filter((key) => this.#remove(key.map(asText))).length > 0;
    if (added || removed) {
      this.#sort();
      this.total = this.#known.size;
    }
    const time = place(frame, this.layer.time);
    return Math.max(0, ...frame.rows.map((row) => instant(row[time])).filter(Number.isFinite));
  }

  #take(frame: Frame, knownOnly = false): string[] {
    const { thing, series, value, time } = this.layer;
    const at = { thing: place(frame, thing), series: series ? place(frame, series) : -1 };
    const [valueAt, timeAt] = [place(frame, value), place(frame, time)];
    const unit = unitReader(frame.columns, this.layer);
    const keys: string[] = [];
    for (const row of frame.rows) {
      const name = asText(row[at.thing]);
      const kind = at.series < 0 ? '' : asText(row[at.series]);
      const key = name + SEPARATOR + kind;
      let reading = this.#known.get(key);
      if (!reading) {
        if (knownOnly) continue;
        reading = new Reading(name, kind);
        this.#known.set(key, reading);
      }
      keys.push(key);
      reading.take(instant(row[timeAt]), asNumber(row[valueAt]), unit(row));
    }
    return keys;
  }

  #remove(key: string[]): boolean {
    const gone = [...this.#known.values()].find(({ thing, series }) => key.includes(thing) && (!series || key.includes(series)));
    return gone !== undefined && this.#known.delete(gone.key);
  }

  #sort(): void {
    const order = (a: Reading, b: Reading) => byName(a.thing, b.thing) || byName(a.series, b.series);
    this.rows = [...this.#known.values()].sort(order);
  }

  /** The lines of the past; without them the list is as good, and draws its own from now on. */
  async #sparklines(): Promise<void> {
    const path = `/v1/sparklines/${segment(this.layer.name)}`;
    const answer = await get<Sparklines>(path, { seconds: SPARK / SECOND }, this.#abort.signal).catch(() => null);
    if (!answer) return;
    const oldest = clock.precise() - SPARK;
    for (const [key, points] of Object.entries(answer.points)) {
      this.#known.get(this.layer.series ? key : key.split(SEPARATOR)[0] + SEPARATOR)?.give(points.filter((point): point is Point => point[0] > oldest && point[1] !== null));
    }
  }
}

/** Units come from a column of the table, from the layer's fixed code, or from the value's own declaration. */
export function unitReader(columns: Column[], layer: Layer): (row: Frame['rows'][number]) => string {
  const at = columns.findIndex((column) => column.name === layer.unit);
  if (layer.unit && at >= 0) return (row) => asText(row[at]);
  const fixed = layer.unit || columns.find((column) => column.name === layer.value)?.unit || '';
  return () => fixed;
}
