/** Names that stand on the picture, found again by where they stand: what moves over one must not hide it. */

import { HALF } from './beside';
import type { Palette } from './palette';

export const FONT = '500 11.5px Inter, system-ui, sans-serif';
const CELL = 64;
/** The largest radius of a mark. */
const MARK = 16;

export interface Name {
  text: string;
  /** Where it begins, and the middle of its height, in pixels. */
  x: number;
  y: number;
  width: number;
}

export class Names {
  readonly list: Name[] = [];
  #cells = new Map<number, Name[]>();

  add(name: Name): void {
    this.list.push(name);
    const [left, right] = [name.x - MARK, name.x + name.width + MARK].map((x) => Math.floor(x / CELL)) as [number, number];
    const [top, bottom] = [name.y - HALF - MARK, name.y + HALF + MARK].map((y) => Math.floor(y / CELL)) as [number, number];
    for (let column = left; column <= right; column += 1) {
      for (let row = top; row <= bottom; row += 1) {
        const key = keyOf(column, row);
        this.#cells.set(key, [...(this.#cells.get(key) ?? []), name]);
      }
    }
  }

  /** Adds those that a mark of a radius hides to a set. */
  under(x: number, y: number, radius: number, found: Set<Name>): void {
    for (const name of this.#cells.get(keyOf(Math.floor(x / CELL), Math.floor(y / CELL))) ?? []) {
      if (x > name.x - radius && x < name.x + name.width + radius && Math.abs(y - name.y) < HALF / 2 + radius) found.add(name);
    }
  }
}

function keyOf(column: number, row: number): number {
  return column * 4096 + row;
}

/** Writes names; over a mark the ground around the letters is thinner, so that both can be seen. */
export function write(ctx: CanvasRenderingContext2D, names: Iterable<Name>, palette: Palette, halo: number): void {
  ctx.font = FONT;
  ctx.textBaseline = 'middle';
  ctx.lineJoin = 'round';
  ctx.lineWidth = halo;
  ctx.strokeStyle = palette.land;
  ctx.fillStyle = palette.ink;
  for (const { text, x, y } of names) {
    ctx.strokeText(text, x, y);
    ctx.fillText(text, x, y);
  }
}
