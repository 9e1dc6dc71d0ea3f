/** What the table says of a thing, and how it is put in words. */

import { asNumber, asText, place } from '../frame';
import { number, unit, words } from '../format';
import { duration, instant, MINUTE, SECOND } from '../time';
import type { Cell, Column, Fact, Frame, Look, MapInfo, Tone } from '../types';
import type { Geometry } from './geometry';
import { project } from './mercator';
import type { Fix } from './motion';

/** One word of a thing: where it was, and what else was said then. */
export interface Word {
  id: string;
  label: string;
  line: string;
  toward: string;
  next: string;
  value: number | null;
  state: string;
  facts: Cell[];
  fix: Fix;
  tone: Tone;
  look: Look;
}

export type Reader = (row: Cell[]) => Word | null;

/** Reads rows with these columns; a row without a place or a time is none. */
export function reader(map: MapInfo, columns: Column[], geometry: Geometry | null): Reader {
  const frame: Frame = { columns, rows: [] };
  const at = (name: string) => (name ? place(frame, name) : -1);
  const [id, time, latitude, longitude] = [at(map.thing), at(map.time), at(map.latitude), at(map.longitude)];
  const [bearing, path, along, speed] = [at(map.bearing), at(map.path), at(map.along), at(map.speed)];
  const [label, line, toward, next] = [at(map.label), at(map.line), at(map.toward), at(map.next)];
  const [value, state] = [at(map.value), at(map.state)];
  const facts = map.facts.map(({ column }) => at(column));
  const read = (row: Cell[], index: number) => asNumber(row[index]) ?? NaN;
  return (row) => {
    const [lon, lat, when] = [read(row, longitude), read(row, latitude), instant(row[time])];
    if (!(Math.abs(lat) <= 90 && Math.abs(lon) <= 180) || !Number.isFinite(when)) return null;
    const name = asText(row[id]);
    const number = asNumber(row[value]);
    const known = asText(row[state]);
    return {
      id: name,
      label: asText(row[label]) || name,
      line: asText(row[line]),
      toward: asText(row[toward]),
      next: asText(row[next]),
      value: number,
      state: known,
      facts: facts.map((index) => row[index] ?? null),
      fix: { at: when, ...project(lon, lat), bearing: read(row, bearing), path: geometry?.paths.get(asText(row[path])) ?? null, along: read(row, along), speed: read(row, speed) },
      tone: toneOf(map, number),
      look: map.states[known]?.look ?? 'solid',
    };
  };
}

export function toneOf(map: MapInfo, value: number | null): Tone {
  return (value === null ? undefined : bandOf(map, value)?.tone) ?? 'none';
}

export function bandOf(map: MapInfo, value: number): MapInfo['bands'][number] | undefined {
  return map.bands.find(({ below }) => below === null || value < below);
}

/** `3 min late`, `on time`: the value in words; small values have the name of their band. */
export function valueText(map: MapInfo, value: number | null): string {
  if (value === null) return 'not known';
  const amount = Math.abs(value);
  const word = value < 0 ? map.less_word : map.more_word;
  if (map.value_unit !== 's') return `${number(amount, 0)} ${unit(map.value_unit)} ${word}`.replace('  ', ' ');
  const band = bandOf(map, value);
  if (band?.tone === 'good' && amount < MINUTE / SECOND) return band.name;
  return `${duration(amount < 60 ? amount * SECOND : Math.round(amount / 60) * MINUTE)} ${word}`;
}

/** A fact as people read it. Metres per second are what records carry; people know km/h. */
export function factText(fact: Fact, cell: Cell | undefined): string {
  if (cell === null || cell === undefined || cell === '') return 'not known';
  if (typeof cell !== 'number') return fact.words[String(cell)] ?? words(String(cell)).toLowerCase();
  if (fact.unit === 'm/s') return `${number(cell * 3.6, 0)} km/h`;
  const text = number(cell, Number.isInteger(cell) ? 0 : 1);
  return fact.unit ? `${text} ${unit(fact.unit)}` : text;
}

export function stateText(map: MapInfo, state: string): string {
  return map.states[state]?.words ?? words(state);
}

/** The next place in words: its name where the map knows it. */
export function placeText(geometry: Geometry | null, id: string): string {
  return geometry?.places.get(id)?.name ?? id;
}
