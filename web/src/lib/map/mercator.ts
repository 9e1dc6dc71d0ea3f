/**
 * The plane of the map: the world is a square from 0 to 1 (Web Mercator, y downwards), and a view says which part of
 * it is on screen. Always north up and flat.
 */

export interface Point {
  x: number;
  y: number;
}

export interface View {
  /** Middle of the screen. */
  x: number;
  y: number;
  /** World width in pixels is 512 · 2^zoom, as every web map counts it. */
  zoom: number;
}

export interface Size {
  width: number;
  height: number;
}

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

const TILE = 512;
const EQUATOR = 40_075_016.686;
export const LEAST_ZOOM = 2;
export const MOST_ZOOM = 18;

export function project(longitude: number, latitude: number): Point {
  const sine = Math.sin((Math.max(-85, Math.min(85, latitude)) * Math.PI) / 180);
  return { x: longitude / 360 + 0.5, y: 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI) };
}

export function unproject({ x, y }: Point): { longitude: number; latitude: number } {
  return { longitude: (x - 0.5) * 360, latitude: (Math.atan(Math.exp((0.5 - y) * 2 * Math.PI)) * 360) / Math.PI - 90 };
}

/** Pixels per world width. */
export function scaleOf(zoom: number): number {
  return TILE * 2 ** zoom;
}

/** World units per metre on the ground at a height of the map. */
export function perMetre(y: number): number {
  return Math.cosh((0.5 - y) * 2 * Math.PI) / EQUATOR;
}

export function toScreen(view: View, size: Size, at: Point): Point {
  const scale = scaleOf(view.zoom);
  return { x: (at.x - view.x) * scale + size.width / 2, y: (at.y - view.y) * scale + size.height / 2 };
}

export function fromScreen(view: View, size: Size, at: Point): Point {
  const scale = scaleOf(view.zoom);
  return { x: (at.x - size.width / 2) / scale + view.x, y: (at.y - size.height / 2) / scale + view.y };
}

/** The same view, moved by pixels. */
export function panned(view: View, dx: number, dy: number): View {
  const scale = scaleOf(view.zoom);
  return bounded({ ...view, x: view.x - dx / scale, y: view.y - dy / scale });
}

/** Another zoom, with what is at a place of the screen staying there. */
export function zoomed(view: View, size: Size, zoom: number, around: Point): View {
  const wanted = Math.max(LEAST_ZOOM, Math.min(MOST_ZOOM, zoom));
  const kept = fromScreen(view, size, around);
  const scale = scaleOf(wanted);
  const x = kept.x - (around.x - size.width / 2) / scale;
  const y = kept.y - (around.y - size.height / 2) / scale;
  return bounded({ x, y, zoom: wanted });
}

function bounded(view: View): View {
  return { ...view, x: Math.max(0, Math.min(1, view.x)), y: Math.max(0, Math.min(1, view.y)) };
}

/** The view that shows a box with some room around it; `inset` is what floats over the map's edges. */
export function fitting(box: Box, size: Size, inset: Box): View {
  const width = Math.max(40, size.width - inset.left - inset.right);
  const height = Math.max(40, size.height - inset.top - inset.bottom);
  const [wide, high] = [Math.max(box.right - box.left, 1e-7), Math.max(box.bottom - box.top, 1e-7)];
  const zoom = Math.log2(Math.min(width / wide, height / high) / TILE);
  const limited = Math.max(LEAST_ZOOM, Math.min(16, zoom));
  const scale = scaleOf(limited);
  const x = (box.left + box.right) / 2 - (inset.left - inset.right) / 2 / scale;
  const y = (box.top + box.bottom) / 2 - (inset.top - inset.bottom) / 2 / scale;
  return { x, y, zoom: limited };
}

export function boxOf(points: Iterable<Point>): Box | null {
  let box: Box | null = null;
  for (const { x, y } of points) {
    if (!box) box = { left: x, top: y, right: x, bottom: y };
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x);
    box.top = Math.min(box.top, y);
    box.bottom = Math.max(box.bottom, y);
  }
  return box;
}

/** A round distance and how many pixels it takes, for the scale of the map. */
export function scaleBar(view: View, most: number): { metres: number; pixels: number } {
  const perPixel = 1 / (scaleOf(view.zoom) * perMetre(view.y));
  const limit = perPixel * most;
  const power = 10 ** Math.floor(Math.log10(limit));
  const metres = [5, 2, 1].map((step) => step * power).find((step) => step <= limit) ?? power;
  return { metres, pixels: metres / perPixel };
}

/** `12.4/42.3601/-71.0589`, as map links have it. */
export function viewText(view: View): string {
  const { longitude, latitude } = unproject(view);
  return `${view.zoom.toFixed(2)}/${latitude.toFixed(5)}/${longitude.toFixed(5)}`;
}

export function readView(text: string): View | null {
  const [zoom, latitude, longitude] = text.split('/').map(Number);
  if (zoom === undefined || latitude === undefined || longitude === undefined) return null;
  if (![zoom, latitude, longitude].every(Number.isFinite) || Math.abs(latitude) > 85 || Math.abs(longitude) > 180) return null;
  return { ...project(longitude, latitude), zoom: Math.max(LEAST_ZOOM, Math.min(MOST_ZOOM, zoom)) };
}
