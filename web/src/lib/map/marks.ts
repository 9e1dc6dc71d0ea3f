/** Everything that moves, drawn anew every frame. */

import { SECOND } from '../time';
import { type Point, scaleOf, type Size, toScreen, type View } from './mercator';
import { type Name, type Names, write } from './names';
import type { Palette } from './palette';
import { radiusAt, rowOf, Sprites } from './sprites';
import type { Shown } from './world.svelte';

export interface Moving {
  things: readonly Shown[];
  view: View;
  size: Size;
  ratio: number;
  palette: Palette;
  now: number;
  /** After so many seconds without a word a thing fades. */
  stale: number;
  selected: string;
  pointed: string;
  /** What stands below. */
  names: Names;
}

export class Marks {
  #sprites: Sprites | null = null;
  #palette: Palette | null = null;

  draw(ctx: CanvasRenderingContext2D, moving: Moving): void {
    const { things, view, size, ratio, palette, now } = moving;
    const radius = radiusAt(view.zoom, things.length);
    if (!this.#sprites || this.#palette !== palette || this.#sprites.radius !== radius || this.#sprites.ratio !== ratio) {
      this.#palette = palette;
      this.#sprites = new Sprites(palette, radius, ratio);
    }
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.clearRect(0, 0, size.width * ratio, size.height * ratio);
    const scale = scaleOf(view.zoom) * ratio;
    const [left, top] = [(size.width * ratio) / 2 - view.x * scale, (size.height * ratio) / 2 - view.y * scale];
    const [right, bottom] = [size.width * ratio + 20, size.height * ratio + 20];
    const old = now - moving.stale * SECOND;
    const hidden = new Set<Name>();
    for (const { word, spot } of things) {
      const [x, y] = [spot.x * scale + left, spot.y * scale + top];
      if (x < -20 || y < -20 || x > right || y > bottom || word.id === moving.selected) continue;
      const stale = word.fix.at <= old;
      ctx.globalAlpha = stale ? 0.6 : 1;
      this.#sprites.draw(ctx, x, y, rowOf(stale ? 'stale' : word.tone, word.look), spot.bearing);
      moving.names.under(x / ratio, y / ratio, radius, hidden);
    }
    ctx.globalAlpha = 1;
    if (hidden.size > 0) {
      ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
      write(ctx, hidden, palette, 2);
      ctx.setTransform(1, 0, 0, 1, 0, 0);
    }
    this.#drawRing(ctx, moving, moving.pointed, 0.45);
    this.#drawRing(ctx, moving, moving.selected, 1);
  }

  /** What is selected lies above all others, with a ring around it. */
  #drawRing(ctx: CanvasRenderingContext2D, moving: Moving, id: string, alpha: number): void {
    const thing = id ? moving.things.find(({ word }) => word.id === id) : undefined;
    if (!thing || !this.#sprites) return;
    const { ratio, palette, view, size } = moving;
    const at = toScreen(view, size, thing.spot);
    const [x, y] = [at.x * ratio, at.y * ratio];
    const stale = moving.now - thing.word.fix.at >= moving.stale * SECOND;
    ctx.globalAlpha = alpha;
    ctx.beginPath();
    ctx.arc(x, y, (this.#sprites.radius + 8) * ratio, 0, 2 * Math.PI);
    ctx.strokeStyle = palette.paper;
    ctx.lineWidth = 5 * ratio;
    ctx.stroke();
    ctx.strokeStyle = palette.accent;
    ctx.lineWidth = 2.2 * ratio;
    ctx.stroke();
    ctx.globalAlpha = 1;
    this.#sprites.draw(ctx, x, y, rowOf(stale ? 'stale' : thing.word.tone, thing.word.look), thing.spot.bearing);
  }
}

/** The thing under a pointer: the nearest within reach. */
export function thingAt(things: readonly Shown[], view: View, size: Size, pointer: Point, reach: number): Shown | null {
  let [best, nearest]: [Shown | null, number] = [null, reach];
  for (const thing of things) {
    const at = toScreen(view, size, thing.spot);
    const away = Math.hypot(at.x - pointer.x, at.y - pointer.y);
    if (away <= nearest) [best, nearest] = [thing, away];
  }
  return best;
}
