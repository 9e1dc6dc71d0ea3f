/** Which moment the map shows: now, or one of the past that stands still or plays on. */

import { clock } from '../clock.svelte';
import { SECOND } from '../time';

export const RATES = [1, 10, 60] as const;
const TICK = 250;

export class Timeline {
  /** The moment of the past that is shown; null while it is now. Moves on while it plays. */
  at = $state<number | null>(null);
  playing = $state(false);
  rate = $state<number>(10);

  #base = 0;
  #anchor = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  get live(): boolean {
    return this.at === null;
  }

  /** The moment, moved on about once a second. */
  get now(): number {
    return this.at ?? clock.now;
  }

  /** The moment as finely as it is known; not reactive. */
  precise(): number {
    if (this.#base === 0) return clock.precise();
    return this.#base + (this.#timer === undefined ? 0 : (performance.now() - this.#anchor) * this.rate);
  }

  show(at: number | null): void {
    if (at !== null && at >= clock.precise() - SECOND) at = null;
    this.#base = at ?? 0;
    this.#anchor = performance.now();
    this.at = at;
    if (at === null) this.pause();
  }

  play(rate = this.rate): void {
    if (this.at === null) return;
    this.#base = this.precise();
    this.#anchor = performance.now();
    this.rate = rate;
    this.playing = true;
    this.#timer ??= setInterval(this.#tick, TICK);
  }

  pause(): void {
    this.#base = this.at === null ? 0 : this.precise();
    if (this.at !== null) this.at = this.#base;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.playing = false;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick = (): void => {
    const at = this.precise();
    if (at >= clock.precise()) this.show(null);
    else this.at = at;
  };
}
