/** What is planned and expected: of one thing at its next places, or at one place of all things. */

import { asProblem, get, type Problem } from '../api';
import { instant, iso, SECOND } from '../time';
import type { CallRow, CallsInfo } from '../types';

export interface Call {
  thing: string;
  place: string;
  placeName: string;
  /** NaN where nothing is planned: it is only expected. */
  planned: number;
  /** NaN where nothing is expected: by the plan only. */
  expected: number;
  line: string;
  toward: string;
  direction: number | null;
  state: string;
  /** A word or two on what is particular about it, or nothing. */
  note: string;
  /** Tells it apart from the others of its answer. */
  key: string;
}

/** What people should know of a thing or a place. */
export interface Notice {
  title: string;
  text: string | null;
  /** In words. */
  kind: string | null;
  from: string | null;
  to: string | null;
}

interface Answer {
  rows: CallRow[];
  basis: string;
  notices?: Notice[];
  /** Sentences about the answer. */
  notes?: string[];
}

const EVERY = 5 * SECOND;

export class Calls {
  rows = $state.raw<Call[]>([]);
  /** What the expected times rest on. */
  basis = $state('');
  notices = $state.raw<Notice[]>([]);
  notes = $state.raw<string[]>([]);
  ready = $state(false);
  problem = $state.raw<Problem | null>(null);

  /** Null for now. */
  #at: number | null = null;
  #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly info: CallsInfo,
    readonly of: 'thing' | 'place',
    readonly id: string,
    /** Minutes around now, at a place. */
    readonly span: { before?: number; ahead?: number } = {},
  ) {}

  /** Of another moment from now on; what is shown stays until the answer is there. */
  show(at: number | null): void {
    this.close();
    this.#abort = new AbortController();
    this.#at = at;
    void this.load();
  }

  close(): void {
    this.#abort.abort();
    clearTimeout(this.#timer);
  }

  async load(): Promise<void> {
    const [{ signal }, at] = [this.#abort, this.#at];
    try {
      const answer = await get<Answer>(this.info.path, { [this.of]: this.id, ...this.span, at: at === null ? '' : iso(at) }, signal);
      this.rows = readCalls(answer.rows);
      this.basis = answer.basis;
      this.notices = answer.notices ?? [];
      this.notes = answer.notes ?? [];
      this.problem = null;
      this.ready = true;
    } catch (error) {
      if (signal.aborted) return;
      this.problem = asProblem(error);
    }
    // The past does not change; only a question that failed is asked again.
    if (at === null || this.problem) this.#timer = setTimeout(() => void this.load(), EVERY);
  }
}

/** The calls of an answer, the next one first. */
export function readCalls(rows: CallRow[]): Call[] {
  const seen: Record<string, number> = {};
  const keyOf = (row: CallRow) => {
    const key = [row.thing, row.place, row.planned ?? row.expected, row.line, row.toward].join('\u001f');
    seen[key] = (seen[key] ?? 0) + 1;
    return `${key}\u001f${seen[key]}`;
  };
  return rows
    .map((row) => ({
      thing: row.thing ?? '', place: row.place ?? '', placeName: row.place_name ?? '', planned: instant(row.planned), expected: instant(row.expected),
      line: row.line ?? '', toward: row.toward ?? '', direction: row.direction ?? null, state: row.state,
      note: row.note ?? '', key: keyOf(row),
    }))
    .sort((a, b) => due(a) - due(b));
}

/** When it happens, as far as anybody knows. */
export function due(call: Call): number {
  return Number.isFinite(call.expected) ? call.expected : call.planned;
}
