/** What is planned and expected: of one thing at its next places, or at one place of all things. */

import { asProblem, get, type Problem, segment } from '../api';
import { asText, place } from '../frame';
import { instant, SECOND } from '../time';
import type { CallsInfo, Frame } from '../types';

export interface Call {
  thing: string;
  place: string;
  planned: number;
  /** NaN where nothing is expected: by the plan only. */
  expected: number;
  line: string;
  toward: string;
  source: string;
}

const EVERY = 5 * SECOND;

export class Calls {
  rows = $state.raw<Call[]>([]);
  ready = $state(false);
  problem = $state.raw<Problem | null>(null);

  #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly info: CallsInfo,
    readonly of: 'thing' | 'place',
    readonly id: string,
  ) {}

  close(): void {
    this.#abort.abort();
    clearTimeout(this.#timer);
  }

  async load(): Promise<void> {
    try {
      const { info } = this;
      const frame = await get<Frame>(`/v1/tables/${segment(info.table)}`, { [info[this.of]]: this.id, limit: 500 }, this.#abort.signal);
      this.rows = readCalls(info, frame);
      this.problem = null;
      this.ready = true;
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.problem = asProblem(error);
    }
    this.#timer = setTimeout(() => void this.load(), EVERY);
  }
}

/** The calls of a frame, the next one first. */
export function readCalls(info: CallsInfo, frame: Frame): Call[] {
  const at = (name: string) => (name ? place(frame, name) : -1);
  const [thing, where, planned, expected] = [at(info.thing), at(info.place), at(info.planned), at(info.expected)];
  const [line, toward, source] = [at(info.line), at(info.toward), at(info.source)];
  return frame.rows
    .map((row) => ({
      thing: asText(row[thing]), place: asText(row[where]), planned: instant(row[planned] ?? null), expected: instant(row[expected] ?? null),
      line: asText(row[line]), toward: asText(row[toward]), source: asText(row[source]),
    }))
    .sort((a, b) => due(a) - due(b));
}

/** When it happens, as far as anybody knows. */
export function due(call: Call): number {
  return Number.isFinite(call.expected) ? call.expected : call.planned;
}
