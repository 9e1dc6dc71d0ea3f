/** All things of a map as they are now: what the live stream says, and where each is shown. */

import { asProblem, get, type Problem } from '../api';
import { asText, type Row } from '../frame';
import { byName } from '../format';
import { LiveStream } from '../live.svelte';
import { watch } from '../status.svelte';
import { SECOND } from '../time';
import type { Frame, MapInfo } from '../types';
import type { Geometry } from './geometry';
import { type Mover, mover, step, take } from './motion';
import type { Spot } from './path';
import { askGeometry } from './standing.svelte';
import { type Reader, reader, type Word } from './words';

/** A thing as it is drawn. */
export interface Shown {
  word: Word;
  spot: Spot;
}

export interface Thing extends Shown {
  spot: Mover;
}

const TELL = 250;
const UNSEEN = 10 * SECOND;
/** Geometry changes rarely; it is asked for again, and mostly answered with "nothing new". */
const AGAIN = 10 * 60 * SECOND;

export class World {
  geometry = $state.raw<Geometry | null>(null);
  problem = $state.raw<Problem | null>(null);
  ready = $state(false);
  /** Changes with every word that is heard. */
  version = $state(0);

  // What is drawn of it follows `version`, or the frames of the map.
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- thousands of things move sixty times a second
  readonly things = new Map<string, Thing>();
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- as above
  readonly unseen = new Map<string, Thing>();
  #asking: ReturnType<typeof setTimeout> | undefined;
  #stream: LiveStream | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #telling: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(
    readonly map: MapInfo,
    private readonly now: () => number,
  ) {}

  get horizon(): number {
    return this.map.horizon_seconds * SECOND;
  }

  async open(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      const found = await askGeometry(this.map);
      if (this.#closed) return;
      // The same once more would only be drawn anew.
      if (!found.version || found.version !== this.geometry?.version || found.since !== this.geometry.since) this.geometry = found;
      this.problem = null;
      this.#stream ??= this.#listen();
      void this.#askUnseen();
      this.#timer = setTimeout(() => void this.open(), AGAIN);
    } catch (error) {
      if (this.#closed) return;
      this.problem = asProblem(error);
      this.#timer = setTimeout(() => void this.open(), 3 * SECOND);
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#telling);
    clearTimeout(this.#asking);
    this.#stream?.close();
  }

  #listen(): LiveStream {
    const { table } = this.map;
    return new LiveStream({ tables: table }, {
      snapshot: (update) => {
        const frame = update.tables?.[table];
        if (!frame) return;
        const seen = this.#take(frame);
        for (const id of this.things.keys()) if (!seen.has(id)) this.things.delete(id);
        this.ready = true;
        this.#tell();
      },
      commit: (update) => {
        const frame = update.tables?.[table];
        if (frame) this.apply(frame);
      },
    });
  }

  /** What should be there and is not heard of: where the plan has it. */
  async #askUnseen(): Promise<void> {
    clearTimeout(this.#asking);
    if (!this.map.unseen || this.#closed) return;
    const answer = await get<{ rows: Row[] }>(this.map.unseen).catch(() => null);
    if (answer) this.#takeUnseen(answer.rows);
    this.#asking = setTimeout(() => void this.#askUnseen(), UNSEEN);
  }

  #takeUnseen(rows: Row[]): void {
    const columns = this.map.columns.map((name) => ({ name, type: '', unit: null }));
    const read = reader(this.map, columns, this.geometry);
    // eslint-disable-next-line svelte/prefer-svelte-reactivity -- lives for one call
    const seen = new Set<string>();
    for (const row of rows) {
      const word = read(columns.map(({ name }) => row[name] ?? null));
      if (!word || this.things.has(word.id)) continue;
      seen.add(word.id);
      this.#put(this.unseen, word, this.now());
    }
    for (const id of this.unseen.keys()) if (!seen.has(id)) this.unseen.delete(id);
    this.#tell();
  }

  /** Everything that is, and what should be. */
  *everything(): Generator<Thing> {
    yield* this.things.values();
    for (const thing of this.unseen.values()) if (!this.things.has(thing.word.id)) yield thing;
  }

  find(id: string): Thing | undefined {
    return this.things.get(id) ?? this.unseen.get(id);
  }

  #put(things: Map<string, Thing>, word: Word, now: number): void {
    const known = things.get(word.id);
    if (!known) {
      things.set(word.id, { word, spot: mover(word.fix, now, this.horizon) });
    } else if (word.fix.at >= known.word.fix.at) {
      take(known.spot, word.fix, now, this.horizon);
      known.word = word;
    }
  }

  apply(frame: Frame): void {
    this.#take(frame);
    for (const key of frame.deleted ?? []) for (const part of key) this.things.delete(asText(part));
    this.#tell();
  }

  /** Many words in a second are one change for lists and counts; the map itself draws every one of them. */
  #tell(): void {
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      this.version += 1;
    }, this.version === 0 ? 0 : TELL);
  }

  #take(frame: Frame): Set<string> {
    const read: Reader = reader(this.map, frame.columns, this.geometry);
    const now = this.now();
    // eslint-disable-next-line svelte/prefer-svelte-reactivity -- lives for one call
    const seen = new Set<string>();
    let newest = 0;
    for (const row of frame.rows) {
      const word = read(row);
      if (!word) continue;
      seen.add(word.id);
      newest = Math.max(newest, word.fix.at);
      this.#put(this.things, word, now);
    }
    watch.saw(newest);
    return seen;
  }

  /** Moves everything on to an instant. */
  step(now: number): void {
    for (const thing of this.everything()) step(thing.spot, now, this.horizon);
  }
}

/** Those that are shown: of the wanted lines, alive, and not declared invisible. */
export function visible<T extends Shown>(things: Iterable<T>, map: MapInfo, lines: ReadonlySet<string>, now: number): T[] {
  const dead = map.dead_seconds * SECOND;
  const found: T[] = [];
  for (const thing of things) {
    const { word } = thing;
    if (word.look === 'hidden' || now - word.fix.at >= dead) continue;
    if (lines.size === 0 || lines.has(word.line)) found.push(thing);
  }
  return found;
}

/** In an order that keeps still: by line, then by name. */
export function sorted(things: readonly Shown[]): Shown[] {
  const order = (a: Shown, b: Shown) => byName(a.word.line, b.word.line) || byName(a.word.label, b.word.label) || byName(a.word.id, b.word.id);
  // New objects: what is inside of the old ones changes without anybody noticing.
  return things.map(({ word, spot }) => ({ word, spot })).sort(order);
}
