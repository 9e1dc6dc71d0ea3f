/** What stands still, drawn again only when the view changes: lines, places and their names. */

import { boxAt, HALF, order, SIDES } from './beside';
import { type Geometry, type Place, seenOn } from './geometry';
import { type Point, scaleOf, type Size, toScreen, type View } from './mercator';
import { FONT, Names, write } from './names';
import type { Palette } from './palette';
import type { Path } from './path';

/** Paths are kept near zero, where the single precision of a canvas is finer than a millimetre. */
const UNITS = 2 ** 20;

export interface Still {
  geometry: Geometry;
  view: View;
  size: Size;
  ratio: number;
  palette: Palette;
  /** Lines that are wanted; none means all. */
  lines: ReadonlySet<string>;
  /** Line and place that are in the foreground. */
  line: string;
  place: string;
  /** Whether something lies below, so that the ground is left clear. */
  below: boolean;
}

export class Base {
  /** The names that were drawn last. */
  names = new Names();

  #shapes = new Map<Path, Path2D>();
  #origin: Point = { x: 0, y: 0 };
  #of: Geometry | null = null;
  #widths = new Map<string, number>();
  /** On which sides names are tried, as long as the scale stays about the same: they do not hop while the map moves. */
  #sides = { scale: NaN, of: new Map<string, number[]>() };

  draw(ctx: CanvasRenderingContext2D, still: Still): void {
    const { size, ratio, palette, geometry } = still;
    if (this.#of !== geometry) this.#build(geometry);
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (still.below) ctx.clearRect(0, 0, size.width, size.height);
    else {
      ctx.fillStyle = palette.land;
      ctx.fillRect(0, 0, size.width, size.height);
    }
    this.#drawPaths(ctx, still);
    const seen = this.#inSight(still);
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawPlaces(ctx, still, seen);
    this.#drawNames(ctx, still, seen);
  }

  #build(geometry: Geometry): void {
    this.#of = geometry;
    this.#shapes.clear();
    this.#sides = { scale: NaN, of: new Map() };
    const { box } = geometry;
    this.#origin = box ? { x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2 } : { x: 0.5, y: 0.5 };
    for (const path of geometry.paths.values()) {
      const shape = new Path2D();
      path.x.forEach((x, index) => shape.lineTo((x - this.#origin.x) * UNITS, ((path.y[index] ?? 0) - this.#origin.y) * UNITS));
      this.#shapes.set(path, shape);
    }
  }

  #drawPaths(ctx: CanvasRenderingContext2D, still: Still): void {
    const { view, size, ratio, palette, geometry, lines } = still;
    const scale = scaleOf(view.zoom) / UNITS;
    const zero = toScreen(view, size, this.#origin);
    ctx.setTransform(scale * ratio, 0, 0, scale * ratio, zero.x * ratio, zero.y * ratio);
    ctx.lineJoin = ctx.lineCap = 'round';
    const wide = Math.max(1.2, Math.min(5, (view.zoom - 7.5) * 0.72));
    const wanted = (path: Path) => lines.size === 0 || lines.has(path.line);
    const order = (path: Path) => Number(wanted(path)) + Number(path.line === still.line);
    for (const [path, shape] of [...this.#shapes].sort(([a], [b]) => order(a) - order(b))) {
      const front = path.line === still.line;
      ctx.globalAlpha = wanted(path) ? 1 : 0.16;
      ctx.strokeStyle = colourOf(geometry, path.line, palette) || palette.soft;
      ctx.lineWidth = (front ? wide + 1.5 : wide) / scale;
      ctx.stroke(shape);
    }
    ctx.globalAlpha = 1;
  }

  /** Places on screen that are worth showing at this zoom, the important ones first. */
  #inSight({ geometry, view, size, lines, place }: Still): Seen[] {
    const seen: Seen[] = [];
    for (const one of geometry.places.values()) {
      const wanted = lines.size === 0 || one.lines.some((line) => lines.has(line));
      if (one.id !== place && (!wanted || view.zoom < fromZoom(one))) continue;
      const at = toScreen(view, size, one);
      if (at.x < -40 || at.y < -20 || at.x > size.width + 40 || at.y > size.height + 20) continue;
      seen.push({ place: one, at });
    }
    return seen.sort((a, b) => Number(b.place.id === place) - Number(a.place.id === place) || a.place.rank - b.place.rank || b.place.lines.length - a.place.lines.length);
  }

  #drawNames(ctx: CanvasRenderingContext2D, still: Still, seen: Seen[]): void {
    const { view, palette, place } = still;
    ctx.font = FONT;
    this.names = new Names();
    const taken: [number, number, number, number][] = [];
    const named: { name: string; at: Point }[] = [];
    for (const one of seen) {
      const { name, id } = one.place;
      // The chosen one's name floats above everything else.
      if (id === place || view.zoom < fromZoom(one.place) + 1) continue;
      // Both platforms of a place say its name once.
      if (named.some((other) => other.name === name && Math.hypot(other.at.x - one.at.x, other.at.y - one.at.y) < 60)) continue;
      const width = this.#width(ctx, name);
      const spot = this.#order(still, one.place, width).map((side) => [one.at.x + boxAt(side, width).left, one.at.y + (SIDES[side]?.[1] ?? 0)] as const)
        .find(([x, y]) => x > 2 && x + width < still.size.width - 4 && !taken.some(([left, top, right, bottom]) => x < right + 6 && x + width > left - 6 && y + HALF > top && y - HALF < bottom));
      if (!spot) continue;
      const [x, y] = spot;
      taken.push([x, y - HALF, x + width, y + HALF]);
      named.push({ name, at: one.at });
      this.names.add({ text: name, x, y, width });
    }
    write(ctx, this.names.list, palette, 3.5);
  }

  #order({ geometry, view }: Still, place: Place, width: number): number[] {
    const scale = Math.round(view.zoom * 2);
    if (scale !== this.#sides.scale) this.#sides = { scale, of: new Map() };
    let found = this.#sides.of.get(place.id);
    if (!found) this.#sides.of.set(place.id, (found = order(near(geometry, place), place, width, scaleOf(view.zoom))));
    return found;
  }

  #width(ctx: CanvasRenderingContext2D, name: string): number {
    let width = this.#widths.get(name);
    if (width === undefined) this.#widths.set(name, (width = ctx.measureText(name).width));
    return width;
  }
}

function colourOf(geometry: Geometry, line: string, palette: Palette): string {
  const colour = geometry.lines.get(line)?.colour;
  if (!colour) return '';
  const key = `${palette.land} ${colour}`;
  let found = drawn.get(key);
  if (!found) drawn.set(key, (found = seenOn(palette.land, colour)));
  return found;
}

/** Colours as they are drawn: a frame has no time to mix them. */
const drawn = new Map<string, string>();

/** From which zoom on places of rank 1, 2 and 3 are dots; their names come one step later. */
function fromZoom({ rank }: Place): number {
  return 7 + 2 * Math.max(1, Math.min(3, rank));
}

/** The ways of the lines that call at a place: others pass by too seldom to be looked through for every name. */
function* near(geometry: Geometry, place: Place): Generator<Path> {
  for (const path of geometry.paths.values()) if (place.lines.includes(path.line)) yield path;
}

interface Seen {
  place: Place;
  at: Point;
}

function drawPlaces(ctx: CanvasRenderingContext2D, still: Still, seen: Seen[]): void {
  const { view, palette, geometry } = still;
  for (const { place, at } of seen.toReversed()) {
    const chosen = place.id === still.place;
    const radius = Math.max(1.8, Math.min(4.5, (view.zoom - 7.5) * 0.62)) * (place.rank > 1 ? 0.85 : 1) + (chosen ? 2 : 0);
    const [first] = place.lines;
    ctx.beginPath();
    ctx.arc(at.x, at.y, radius, 0, 2 * Math.PI);
    ctx.fillStyle = palette.paper;
    ctx.fill();
    ctx.lineWidth = chosen ? 2.5 : 1.5;
    // A place of several lines belongs to none of them.
    const own = place.lines.length === 1 ? colourOf(geometry, first ?? '', palette) : '';
    ctx.strokeStyle = chosen ? palette.accent : own || palette.ink;
    ctx.stroke();
  }
}

/** The place under a pointer: the nearest within reach of those that are drawn as dots. */
export function placeAt(still: Pick<Still, 'geometry' | 'view' | 'size' | 'lines'>, pointer: Point, reach: number): Place | null {
  const { geometry, view, size, lines } = still;
  let [best, nearest]: [Place | null, number] = [null, reach];
  for (const place of geometry.places.values()) {
    if (view.zoom < fromZoom(place) || (lines.size > 0 && !place.lines.some((line) => lines.has(line)))) continue;
    const at = toScreen(view, size, place);
    const away = Math.hypot(at.x - pointer.x, at.y - pointer.y);
    if (away <= nearest) [best, nearest] = [place, away];
  }
  return best;
}
