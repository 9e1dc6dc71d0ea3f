/** A span of the past in pieces: what is over is asked for once, so that keeping a picture current costs little. */

import { MINUTE } from '../time';

export interface Piece {
  from: number;
  to: number;
}

/** How late something may still be heard of that belongs into a piece. */
const SETTLED = MINUTE;

export class Pieces<T> {
  /** What is known of each piece, and whether that will stay so. */
  #known = new Map<number, { rows: T[]; over: boolean }>();

  constructor(
    /** Milliseconds. */
    readonly size: number,
    readonly ask: (piece: Piece, signal: AbortSignal) => Promise<T[]>,
  ) {}

  /** Brings a span up to its end, the newest piece first; tells after each piece what is there by then, and if that is all. */
  async bring({ from, to }: Piece, signal: AbortSignal, told: (found: T[], whole: boolean) => void): Promise<void> {
    const [first, last] = [Math.floor(from / this.size), Math.floor(to / this.size)];
    for (const piece of this.#known.keys()) if (piece < first) this.#known.delete(piece);
    for (let piece = last; piece >= first; piece -= 1) {
      if (this.#known.get(piece)?.over) continue;
      const end = (piece + 1) * this.size;
      const rows = await this.ask({ from: piece * this.size, to: Math.min(end, to) }, signal);
      this.#known.set(piece, { rows, over: end <= to - SETTLED });
      told([...this.#known.values()].flatMap((known) => known.rows), this.#known.size === last - first + 1);
    }
  }
}
