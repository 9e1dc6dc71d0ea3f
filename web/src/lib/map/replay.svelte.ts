/** What moved once: pieces of the past around the moment that is shown, loaded as it moves. */

import { aborted, asProblem, get, type Problem, segment } from '../api';
import { asText, place } from '../frame';
import { instant, iso, MINUTE, SECOND } from '../time';
import type { Cell, Frame, MapInfo } from '../types';
import { type Geometry, stood } from './geometry';
import { between, indexAt } from './past';
import { reader, type Word } from './words';
import type { Shown } from './world.svelte';

const PIECE = 5 * MINUTE;
/** Beyond so many things their past is asked for in coarser steps. */
const MANY = 1_000;
const UNSEEN = 30 * SECOND;

type Tracks = Map<string, Word[]>;

export class Past {
  problem = $state.raw<Problem | null>(null);
  loading = $state(false);
  version = $state(0);

  // Drawn from as `version` changes, and by the frames of the map.
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- see above
  #pieces = new Map<number, Tracks>();
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- see above
  #tracks: Tracks = new Map();
  #joined = '';
  /** What should have been there then and was not heard of, and of which moment that is. */
  #unseen: Shown[] = [];
  #unseenAt = NaN;
  #again: ReturnType<typeof setTimeout> | undefined;
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- see above
  #shown = new Map<string, Shown>();
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- see above
  #asked = new Map<number, AbortController>();

  constructor(
    readonly map: MapInfo,
    readonly geometry: Geometry,
    readonly amount: number,
  ) {}

  close(): void {
    this.#unseenAt = NaN;
    clearTimeout(this.#again);
    for (const abort of this.#asked.values()) abort.abort();
  }

  /** Loads what is needed around a moment: as far back as a silent thing is still shown, and what comes next. */
  async need(at: number, end: number): Promise<void> {
    const first = Math.floor((at - this.map.dead_seconds * SECOND) / PIECE);
    const last = Math.min(Math.floor(end / PIECE), Math.floor(at / PIECE) + 1);
    const wanted = Array.from({ length: last - first + 1 }, (_, index) => first + index);
    for (const [piece, abort] of this.#asked) if (!wanted.includes(piece)) abort.abort();
    for (const piece of this.#pieces.keys()) if (piece < first - 6 || piece > last + 6) this.#pieces.delete(piece);
    const missing = wanted.filter((piece) => !this.#pieces.has(piece) && !this.#asked.has(piece));
    this.loading ||= missing.length > 0;
    await Promise.all(missing.map((piece) => this.#load(piece, end)));
    this.loading = this.#asked.size > 0;
    this.#join(wanted);
  }

  /** Where the plan had what nobody heard of, where the domain can tell that of the past. */
  async needUnseen(at: number): Promise<void> {
    const moment = Math.floor(at / UNSEEN) * UNSEEN;
    if (!this.map.unseen || !this.map.calls?.past || moment === this.#unseenAt) return;
    this.#unseenAt = moment;
    const answer = await get<{ rows: Record<string, Cell>[] }>(this.map.unseen, { at: iso(moment) }).catch(() => null);
    if (moment !== this.#unseenAt) return;
    if (!answer) this.#again = setTimeout(() => this.#ask(moment), 5 * SECOND);
    const columns = this.map.columns.map((name) => ({ name, type: '', unit: null }));
    const read = reader(this.map, columns, this.geometry);
    const words = (answer?.rows ?? []).map((row) => read(columns.map(({ name }) => row[name] ?? null))).filter((word) => word !== null);
    this.#unseen = words.map((word) => ({ word, spot: { x: word.fix.x, y: word.fix.y, bearing: word.fix.bearing } }));
    this.version += 1;
  }

  /** Asks once more for a moment that got no answer, unless another one is shown by now. */
  #ask(moment: number): void {
    if (moment !== this.#unseenAt) return;
    this.#unseenAt = NaN;
    void this.needUnseen(moment);
  }

  async #load(piece: number, end: number): Promise<void> {
    const abort = new AbortController();
    this.#asked.set(piece, abort);
    const span = { from: iso(piece * PIECE), to: iso((piece + 1) * PIECE), every: this.amount > MANY ? 15 : 1 };
    try {
      const frame = await get<Frame>(`/v1/maps/${segment(this.map.name)}/past`, span, abort.signal);
      const tracks = this.#read(frame);
      this.#pieces.set(piece, tracks);
      // What is not over yet is asked for again.
      if ((piece + 1) * PIECE > end - MINUTE) setTimeout(() => this.#pieces.delete(piece), 10 * SECOND);
      this.problem = null;
    } catch (error) {
      if (!aborted(error)) this.problem = asProblem(error);
    } finally {
      this.#asked.delete(piece);
    }
  }

  #read(frame: Frame): Tracks {
    const read = reader(this.map, frame.columns, this.geometry);
    // eslint-disable-next-line svelte/prefer-svelte-reactivity -- becomes one of the pieces
    const tracks: Tracks = new Map();
    const [id, time, gone] = [this.map.thing, this.map.time, this.map.gone].map((name) => (name ? place(frame, name) : -1));
    for (const row of frame.rows) {
      const name = asText(row[id ?? -1]);
      const track = tracks.get(name);
      const word = row[gone ?? -1] === true ? ended(track?.at(-1), instant(row[time ?? -1])) : read(row);
      // What was said while other lines stood is drawn where it was said to be, and not along these.
      if (word && !stood(this.geometry, word.fix.at)) word.fix.path = null;
      if (word && track) track.push(word);
      else if (word) tracks.set(name, [word]);
    }
    for (const track of tracks.values()) track.sort((a, b) => a.fix.at - b.fix.at);
    return tracks;
  }

  #join(wanted: number[]): void {
    const present = wanted.filter((piece) => this.#pieces.has(piece));
    const key = present.join();
    if (key === this.#joined) return;
    this.#joined = key;
    this.#tracks.clear();
    for (const piece of present) {
      for (const [id, track] of this.#pieces.get(piece) ?? []) {
        const known = this.#tracks.get(id);
        this.#tracks.set(id, known ? known.concat(track) : track);
      }
    }
    this.version += 1;
  }

  /** Everything that had been heard of by then, where it was then. */
  at(moment: number): Shown[] {
    const found: Shown[] = [];
    const most = Math.max(3 * MINUTE, 2 * this.map.stale_seconds * SECOND);
    for (const [id, track] of this.#tracks) {
      const index = indexAt(track, moment);
      const word = track[index];
      if (!word) continue;
      let shown = this.#shown.get(id);
      if (!shown) this.#shown.set(id, (shown = { word, spot: { x: 0, y: 0, bearing: NaN } }));
      shown.word = word;
      between(word.fix, track[index + 1]?.fix, moment, most, shown.spot);
      found.push(shown);
    }
    // eslint-disable-next-line svelte/prefer-svelte-reactivity -- lives for one call
    const heard = new Set(found.filter(({ word }) => moment - word.fix.at < this.map.dead_seconds * SECOND).map(({ word }) => word.id));
    return [...found.filter(({ word }) => heard.has(word.id)), ...this.#unseen.filter(({ word }) => !heard.has(word.id))];
  }

  /** Puts those that are already drawn where they were at a moment. */
  step(moment: number, list: readonly Shown[]): void {
    const most = Math.max(3 * MINUTE, 2 * this.map.stale_seconds * SECOND);
    for (const shown of list) {
      const track = this.#tracks.get(shown.word.id);
      const index = track ? indexAt(track, moment) : -1;
      const word = track?.[index];
      if (!track || !word) continue;
      shown.word = word;
      between(word.fix, track[index + 1]?.fix, moment, most, shown.spot);
    }
  }
}

/** The end of a track: from then on the thing is not shown. */
function ended(last: Word | undefined, at: number): Word | null {
  return last ? { ...last, look: 'hidden', fix: { ...last.fix, at } } : null;
}
