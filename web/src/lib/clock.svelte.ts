/**
 * The server's clock. Every age and every "now" of the page comes from here, so that a browser whose own clock is
 * wrong, or that stands in another time zone, shows the same as every other.
 */

import { instant, SECOND } from './time';

interface Estimate {
  /** Server time less `performance.now()`, in milliseconds. */
  offset: number;
  /** How long the answer took: the estimate is off by half of it at most. */
  took: number;
}

const KEPT = 8;

class ServerClock {
  /** Server time, moved on once a second; 0 until the server has spoken. */
  now = $state(0);
  /** The zone of the place that is shown. */
  zone = $state('UTC');

  #estimates: Estimate[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  get known(): boolean {
    return this.now > 0;
  }

  /** Server time at this moment, finer than `now` and not reactive. */
  precise(): number {
    return performance.now() + this.#offset();
  }

  /** Learns from an answer that says what time it was when the server wrote it. */
  observe(serverTime: string, sent: number, received: number): void {
    const at = instant(serverTime);
    if (!Number.isFinite(at)) return;
    const took = received - sent;
    const offset = at - (sent + took / 2);
    // A step (the machine slept, the server's clock was set) makes everything learnt before worthless.
    if (this.#estimates.length > 0 && Math.abs(offset - this.#offset()) > took + SECOND) this.#estimates = [];
    this.#estimates = [...this.#estimates.slice(1 - KEPT), { offset, took }];
    if (this.#timer === undefined) this.#tick();
  }

  /** Age of an instant in milliseconds; never negative, NaN where there is no instant or no clock yet. */
  age(at: number): number {
    return this.now > 0 ? Math.max(0, this.now - at) : NaN;
  }

  #offset(): number {
    let best = this.#estimates[0];
    for (const estimate of this.#estimates) if (best === undefined || estimate.took < best.took) best = estimate;
    return best?.offset ?? 0;
  }

  #tick = (): void => {
    const at = this.precise();
    this.now = at;
    this.#timer = setTimeout(this.#tick, SECOND - (at % SECOND) + 5);
  };
}

export const clock = new ServerClock();
