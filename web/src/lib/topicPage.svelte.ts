/** A page of a topic: by offset, by time, the newest, filtered, or its live tail. */

import { aborted, asProblem, get, type Parameters, type Problem, segment } from './api';
import { asColumns, asText, place } from './frame';
import { instant, iso } from './time';
import type { Cell, Column, LiveRecords, Topic, TopicPage } from './types';

export const PAGE = 100;
/** The tail keeps so many rows; older ones are one click away. */
const KEPT = 1000;
/** How many entries of the log a search by time looks through for the exact record. */
const LOOKS = 20;

export interface Place {
  partition: number;
  offset: number | null;
  time: number | null;
}

/** `field:value` for fields that the topic has; everything else is text to find anywhere. */
export function readFilter(text: string, topic: Topic): { filter: string[]; q: string } {
  const filter: string[] = [];
  const rest: string[] = [];
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const field = word.slice(0, Math.max(0, word.indexOf(':')));
    if (topic.fields.some(({ name }) => name === field)) filter.push(word);
    else rest.push(word);
  }
  return { filter, q: rest.join(' ') };
}

export class TopicView {
  columns = $state.raw<Column[]>([]);
  rows = $state.raw<Cell[][]>([]);
  start = $state(0);
  end = $state(0);
  /** Where the page after this one begins; null at the end. */
  next = $state<number | null>(null);
  loading = $state(true);
  problem = $state.raw<Problem | null>(null);

  #abort = new AbortController();

  constructor(
    readonly topic: Topic,
    readonly text: string,
  ) {}

  close(): void {
    this.#abort.abort();
  }

  get first(): number {
    return this.#offset(0);
  }

  get last(): number {
    return this.#offset(-1);
  }

  async load(at: Place): Promise<void> {
    this.#abort.abort();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    try {
      const offset = at.time === null ? (at.offset ?? -PAGE) : await this.#seek(at.partition, at.time, signal);
      const page = await this.#ask({ partition: at.partition, offset, limit: PAGE }, signal);
      this.columns = asColumns(page.columns);
      this.rows = page.rows;
      this.start = page.start;
      this.end = page.end;
      // Of a page from the end, `next` leads further back; nothing comes after it.
      this.next = offset < 0 ? null : page.next;
      this.problem = null;
      this.loading = false;
    } catch (error) {
      if (aborted(error) || signal.aborted) return;
      this.problem = asProblem(error);
      this.loading = false;
    }
  }

  /** What the live tail brings. The server sends all partitions; rows that are not looked for are left out. */
  append(records: LiveRecords): void {
    if (this.loading || records.topic !== this.topic.name) return;
    const columns = records.columns ? asColumns(records.columns) : this.columns;
    const names = columns.map(({ name }) => name);
    const rows = records.rows.map((row) => (Array.isArray(row) ? row : names.map((name) => row[name] ?? null)));
    const fresh = rows.filter((row) => this.#wanted(row, columns));
    if (fresh.length === 0) return;
    if (records.columns && this.columns.length === 0) this.columns = columns;
    this.rows = [...this.rows, ...fresh].slice(-KEPT);
    this.end = Math.max(this.end, this.last + 1);
  }

  #offset(at: number): number {
    const index = this.columns.findIndex(({ name }) => name === '_offset');
    return Number(this.rows.at(at)?.[index] ?? -1);
  }

  #wanted(row: Cell[], columns: Column[]): boolean {
    const { filter, q } = readFilter(this.text, this.topic);
    const lower = (cell: Cell | undefined) => asText(cell).toLowerCase();
    const fits = filter.every((item) => {
      const colon = item.indexOf(':');
      const at = columns.findIndex(({ name }) => name === item.slice(0, colon));
      const wanted = item.slice(colon + 1).toLowerCase();
      return typeof row[at] === 'string' ? lower(row[at]).includes(wanted) : lower(row[at]) === wanted;
    });
    return fits && (!q || row.some((cell) => typeof cell === 'string' && cell.toLowerCase().includes(q.toLowerCase())));
  }

  /** The server finds the entry; this finds the first record in it that is not earlier. */
  async #seek(partition: number, time: number, signal: AbortSignal): Promise<number> {
    let parameters: Parameters = { partition, time: iso(time), limit: 1000 };
    for (let look = 0; look < LOOKS; look += 1) {
      const page = await this.#ask(parameters, signal);
      const frame = { columns: asColumns(page.columns), rows: page.rows };
      const at = place(frame, this.topic.time ?? '_appended');
      const offsetAt = place(frame, '_offset');
      const found = page.rows.find((row) => instant(row[at]) >= time);
      if (found) return Number(found[offsetAt]);
      if (page.next === null) return page.end;
      parameters = { partition, offset: page.next, limit: 10_000 };
    }
    throw this.problem ?? new Error('The log holds too many earlier records there. Seek by offset instead.');
  }

  #ask(parameters: Parameters, signal: AbortSignal): Promise<TopicPage> {
    const path = `/v1/topics/${segment(this.topic.name)}/records`;
    return get<TopicPage>(path, { ...parameters, ...readFilter(this.text, this.topic) }, signal);
  }
}
