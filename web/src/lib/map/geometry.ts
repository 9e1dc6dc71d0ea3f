/** What stands still on a map: lines, the paths along them, and places. */

import { instant } from '../time';
import { type Box, boxOf, type Point, project } from './mercator';
import type { MapInfo } from '../types';
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
  /** Equal for equal lines and places; empty where the server does not tell. */
  version: string;
  /** From when until when this is so; infinite where it always was and still is. */
  since: number;
  until: number;
  /** What is to be said where it is not quite what was there then. */
  notes: string[];
}

export interface Feature {
  id?: string | number;
  geometry: { type: string; coordinates: unknown } | null;
  properties: Record<string, unknown>;
}

export interface Features {
  features: Feature[];
  version?: string;
  since?: string | null;
  until?: string | null;
  notes?: string[];
}

const COLOUR = /^#[0-9a-f]{6}$/i;

/** The declared layers as a map reads them; features that are none of its are left out. */
export function readGeometry(map: Pick<MapInfo, 'lines' | 'places'>, drawn: Features, dots: Features | null): Geometry {
  const { lines, paths } = readLines(map, drawn);
  const places = new Map<string, Place>();
  for (const { id, geometry, properties } of dots?.features ?? []) {
    if (geometry?.type !== 'Point' || !map.places) continue;
    const at = project(...(geometry.coordinates as [number, number]));
    const of = properties[map.places.lines];
    const own = Array.isArray(of) ? of.map(asWord) : [];
    places.set(asWord(id), { ...at, id: asWord(id), name: asWord(properties[map.places.name]) || asWord(id), lines: own, rank: 2 });
  }
  rank(paths, places);
  return { lines, paths, places, box: boxOf(points(paths, places)), ...spanOf([drawn, ...(dots ? [dots] : [])]) };
}

/** What all parts say of when they are so. */
function spanOf(parts: Features[]): Pick<Geometry, 'version' | 'since' | 'until' | 'notes'> {
  return {
    version: parts.map(({ version }) => version ?? '').join(' ').trim(),
    since: Math.max(...parts.map(({ since }) => (since ? instant(since) : -Infinity))),
    until: Math.min(...parts.map(({ until }) => (until ? instant(until) : Infinity))),
    notes: [...new Set(parts.flatMap(({ notes }) => notes ?? []))],
  };
}

/** Whether this was so at an instant. */
export function stood({ since, until }: Pick<Geometry, 'since' | 'until'>, at: number): boolean {
  return since <= at && at < until;
}

function readLines(map: Pick<MapInfo, 'lines'>, drawn: Features): Pick<Geometry, 'lines' | 'paths'> {
  const lines = new Map<string, Line>();
  const paths = new Map<string, Path>();
  for (const { id, geometry, properties } of drawn.features) {
    if (geometry?.type !== 'LineString') continue;
    const text = (name: string) => asWord(properties[name]);
    const line = text(map.lines.line);
    const known = { id: line, name: text(map.lines.name) || line, colour: text(map.lines.colour), ink: text(map.lines.ink), title: text(map.lines.title) };
    if (!lines.has(line)) lines.set(line, checked(known));
    const length = properties[map.lines.length];
    paths.set(asWord(id), new Path(asWord(id), line, geometry.coordinates as [number, number][], typeof length === 'number' ? length : null));
  }
  return { lines, paths };
}

function asWord(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** Places where lines meet and where they end are worth seeing from further away; on a big map few are. */
function rank(paths: Map<string, Path>, places: Map<string, Place>): void {
  const ends = new Set<Place>();
  const byLine = new Map<string, Place[]>();
  for (const place of places.values()) for (const line of place.lines) byLine.set(line, [...(byLine.get(line) ?? []), place]);
  for (const path of paths.values()) {
    for (const at of [0, path.x.length - 1]) {
      const end = nearest(byLine.get(path.line) ?? [], path.x[at] ?? 0, path.y[at] ?? 0);
      if (end) ends.add(end);
    }
  }
  const many = places.size > 1_500;
  for (const place of places.values()) {
    const important = ends.has(place) || place.lines.length > (many ? 3 : 1);
    place.rank = (important ? 1 : 2) + Number(many);
  }
}

function nearest(places: Place[], x: number, y: number): Place | null {
  let [best, away]: [Place | null, number] = [null, Infinity];
  for (const place of places) {
    const distance = (place.x - x) ** 2 + (place.y - y) ** 2;
    if (distance < away) [best, away] = [place, distance];
  }
  return best;
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

const HEX = /^#[0-9a-f]{6}$/i;
/** What WCAG asks of marks that are to be told from their ground. */
const TOLD = 3;

/** `rgb(1, 2, 3)`, as a browser tells a colour, as `#010203`; anything else as it is. */
function hex(colour: string): string {
  const parts = /^rgb\((\d+), (\d+), (\d+)\)$/.exec(colour);
  return parts ? `#${parts.slice(1).map((part) => Number(part).toString(16).padStart(2, '0')).join('')}` : colour;
}

/** A line's colour on dark ground, with as much white in it as it needs to be seen there; on light ground its own. */
export function seenOn(ground: string, colour: string): string {
  const below = luminance(hex(ground));
  if (!HEX.test(colour) || !(below < 0.18)) return colour;
  const least = TOLD * (below + 0.05) - 0.05;
  for (let white = 0; white < 1; white += 0.05) {
    const mixed = `#${[1, 3, 5].map((at) => Math.round(parseInt(colour.slice(at, at + 2), 16) * (1 - white) + 255 * white).toString(16).padStart(2, '0')).join('')}`;
    if (luminance(mixed) >= least) return mixed;
  }
  return '#ffffff';
}

function* points(paths: Map<string, Path>, places: Map<string, Place>): Generator<Point> {
  for (const path of paths.values()) {
    for (let index = 0; index < path.x.length; index += 1) yield { x: path.x[index] ?? 0, y: path.y[index] ?? 0 };
  }
  yield* places.values();
}
