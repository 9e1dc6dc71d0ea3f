/** What stands still on a map: lines, the paths along them, and places. */

import { type Box, boxOf, type Point, project } from './mercator';
import { Path } from './path';

export interface Line {
  id: string;
  name: string;
  colour: string;
  ink: string;
  title: string;
}

export interface Place extends Point {
  id: string;
  name: string;
  lines: string[];
  rank: number;
}

export interface Geometry {
  lines: Map<string, Line>;
  paths: Map<string, Path>;
  places: Map<string, Place>;
  box: Box | null;
}

interface Feature {
  id: string;
  geometry: { type: 'LineString'; coordinates: [number, number][] } | { type: 'Point'; coordinates: [number, number] };
  properties: { line?: string; length?: number | null; name?: string; lines?: string[]; rank?: number };
}

export interface GeometryAnswer {
  features: Feature[];
  lines: Line[];
}

const COLOUR = /^#[0-9a-f]{6}$/i;

export function readGeometry(answer: GeometryAnswer): Geometry {
  const lines = new Map(answer.lines.map((line) => [line.id, checked(line)]));
  const paths = new Map<string, Path>();
  const places = new Map<string, Place>();
  for (const { id, geometry, properties } of answer.features) {
    if (geometry.type === 'LineString') {
      paths.set(id, new Path(id, properties.line ?? '', geometry.coordinates, properties.length ?? null));
    } else {
      const at = project(...geometry.coordinates);
      places.set(id, { ...at, id, name: properties.name || id, lines: properties.lines ?? [], rank: properties.rank ?? 2 });
    }
  }
  return { lines, paths, places, box: boxOf(points(paths, places)) };
}

/** A colour that is none would be drawn as whatever was drawn before. */
function checked(line: Line): Line {
  const colour = COLOUR.test(line.colour) ? line.colour : '';
  return { ...line, colour, ink: COLOUR.test(line.ink) ? line.ink : colour ? inkOn(colour) : '' };
}

/** Black or white, whichever reads better on a colour. */
export function inkOn(colour: string): string {
  return luminance(colour) > 0.179 ? '#000000' : '#ffffff';
}

/** Relative luminance as WCAG defines it. */
export function luminance(colour: string): number {
  const part = (at: number) => {
    const value = parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5);
}

/** Ink for words on a colour: the line's own where it can be read (4.5:1), else black or white. */
export function readable(colour: string, ink: string): string {
  const [a, b] = [luminance(colour), luminance(ink)];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  return ratio >= 4.5 ? ink : inkOn(colour);
}

function* points(paths: Map<string, Path>, places: Map<string, Place>): Generator<Point> {
  for (const path of paths.values()) {
    for (let index = 0; index < path.x.length; index += 1) yield { x: path.x[index] ?? 0, y: path.y[index] ?? 0 };
  }
  yield* places.values();
}
