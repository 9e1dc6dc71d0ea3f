/** The lines and places that a page stands on: those of now, or those of the moment that it asks for. */

import { untrack } from 'svelte';
import { asProblem, type Problem } from '../api';
import { clock } from '../clock.svelte';
import { router } from '../router.svelte';
import type { MapInfo } from '../types';
import type { Geometry } from './geometry';
import { askGeometry, Standing } from './standing.svelte';

/** Made while a component is, and ended with it. `at` is the moment that is asked for, null for now. */
export class Ground {
  #today = $state.raw<Geometry | null>(null);
  #failed = $state.raw<Problem | null>(null);
  readonly #standing: Standing;

  constructor(
    readonly map: MapInfo,
    readonly at: () => number | null,
  ) {
    this.#standing = new Standing(map);
    $effect(this.load);
    $effect(() => {
      const [moment, today] = [at(), this.#today];
      if (today) untrack(() => this.#standing.need(moment, today));
    });
    $effect(() => () => this.#standing.close());
  }

  /** Null until it is known, and until it is known which moment is asked for. */
  get geometry(): Geometry | null {
    if (this.at() === null) return clock.known || !router.get('at') ? this.#today : null;
    return this.#standing.settled ? this.#standing.shown : null;
  }

  get problem(): Problem | null {
    return this.#failed ?? this.#standing.problem;
  }

  load = (): void => {
    askGeometry(this.map).then((found) => ([this.#today, this.#failed] = [found, null]), (error: unknown) => (this.#failed = asProblem(error)));
  };
}
