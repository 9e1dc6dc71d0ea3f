/** What stood where at the moment that is shown: lines and places change rarely, and the past has those of then. */

import { asProblem, getKept, type Problem, segment } from '../api';
import { iso, SECOND } from '../time';
import type { MapInfo } from '../types';
import { type Features, type Geometry, readGeometry, stood } from './geometry';

/** So many of the past are held. */
const HELD = 3;
const AGAIN = 3 * SECOND;

/** The lines and places of a map, of now or of an instant of the past. */
export async function askGeometry(map: MapInfo, at: number | null = null): Promise<Geometry> {
  const { lines, places } = map;
  const ask = (name: string) => getKept<Features>(`/v1/layers/${segment(name)}`, at === null ? {} : { at: iso(at) });
  const [drawn, dots] = await Promise.all([ask(lines.geometry), places ? ask(places.geometry) : null]);
  return readGeometry(map, drawn, dots);
}

export class Standing {
  /** What stood at the moment that was asked for last, once it is known. */
  shown = $state.raw<Geometry | null>(null);
  /** Whether that is what stood at the moment that is asked for; until then it is what was shown before. */
  settled = $state(false);
  problem = $state.raw<Problem | null>(null);

  #held: Geometry[] = [];
  #wanted: { at: number | null; now: Geometry } | null = null;
  #asking = false;
  #again: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly map: MapInfo) {}

  close(): void {
    this.#wanted = null;
    clearTimeout(this.#again);
  }

  /** Shows what stood at a moment (null: now); asks only where nothing that is held stood then. */
  need(at: number | null, now: Geometry): void {
    this.#wanted = { at, now };
    clearTimeout(this.#again);
    const known = at === null ? now : [now, ...this.#held].find((one) => stood(one, at));
    if (known) this.#show(known);
    else {
      this.settled = false;
      if (at !== null && !this.#asking) void this.#ask(at);
    }
  }

  #show(found: Geometry): void {
    [this.shown, this.settled, this.problem] = [found, true, null];
  }

  async #ask(at: number): Promise<void> {
    this.#asking = true;
    const found = await askGeometry(this.map, at).catch((error: unknown) => asProblem(error));
    this.#asking = false;
    if ('paths' in found) this.#held = [found, ...this.#held].slice(0, HELD);
    if (!this.#wanted) return;
    const { at: wanted, now } = this.#wanted;
    if (wanted === null) return;
    if (!('paths' in found)) {
      this.problem = found;
      this.#again = setTimeout(() => this.need(wanted, now), AGAIN);
    } else if (wanted === at) this.#show(found);
    else this.need(wanted, now);
  }
}
